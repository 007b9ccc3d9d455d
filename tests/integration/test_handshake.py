# SPDX-License-Identifier: MIT
"""Real Redis clients connect and talk without knowing that this is no Redis."""

import re

import pytest
import redis

from harness import headers
from harness.resp import ReplyError, as_map

HELLO_FIELDS = ["server", "version", "proto", "id", "mode", "role", "modules"]


def refused(client, *words) -> ReplyError:
    with pytest.raises(ReplyError) as e:
        client(*words)
    return e.value


def test_hello_answers_the_seven_fields_of_redis_in_both_protocols(daemon):
    client = daemon.client()

    two = client("HELLO", "2")
    assert client.raw.startswith(b"*14\r\n")
    assert two[::2] == HELLO_FIELDS
    three = client("HELLO", "3")
    assert client.raw.startswith(b"%7\r\n")
    assert list(three) == HELLO_FIELDS

    assert as_map(two).proto == 2 and three.proto == 3
    assert three.mode == "standalone" and three.role == "master" and three.modules == []
    assert isinstance(three.id, int) and three.version


def test_hello_without_a_version_keeps_the_protocol(daemon):
    client = daemon.client()
    assert as_map(client("HELLO")).proto == 2
    client("HELLO", "3")
    assert client("HELLO").proto == 3
    client("HELLO", "2")
    assert isinstance(client("HELLO"), list)


def test_hello_takes_the_words_that_clients_send(daemon):
    client = daemon.client()
    hello = client("HELLO", "3", "AUTH", "default", "whatever", "SETNAME", "worker-7")
    assert hello.proto == 3
    assert client("CLIENT", "GETNAME") == "worker-7"


@pytest.mark.parametrize("version", ["1", "4", "three", "", "99999999999999999999"])
def test_hello_refuses_another_protocol_and_the_session_goes_on(daemon, version):
    client = daemon.client()
    refused(client, "HELLO", version)
    assert client("PING") == "PONG"


def test_ping_and_echo_give_back_what_they_got(daemon):
    client = daemon.client()
    assert client("PING") == "PONG" and client.raw == b"+PONG\r\n"
    assert client("PING", "hällo\r\n\0") == "hällo\r\n\0"
    assert client("ECHO", "") == "" and client.raw == b"$0\r\n\r\n"
    assert client("ECHO", "x" * 60000) == "x" * 60000


def test_verbs_and_words_are_case_insensitive(daemon):
    client = daemon.client()
    assert client("pInG") == "PONG"
    assert client("client", "setName", "a") == "OK"
    assert client("config", "get", "POOL_SCHEMAS") or client("CONFIG", "GET", "pool_schemas")


def test_auth_is_accepted_because_peers_are_known_by_their_uid(daemon):
    client = daemon.client()
    assert client("AUTH", "secret") == "OK"
    assert client("AUTH", "default", "secret") == "OK"


def test_there_is_one_database_to_select(daemon):
    client = daemon.client()
    assert client("SELECT", "0") == "OK"
    refused(client, "SELECT", "1")
    refused(client, "SELECT", "x")
    assert client("PING") == "PONG"


def test_quit_says_ok_and_closes(daemon):
    client = daemon.client()
    assert client("QUIT") == "OK"
    assert client.at_eof()


def test_reset_goes_back_to_resp2_without_a_name(daemon):
    client = daemon.client()
    client("HELLO", "3", "SETNAME", "n")
    assert client("RESET") == "RESET"
    assert client("CLIENT", "GETNAME") is None
    assert client.raw == b"$-1\r\n"
    assert isinstance(client("HELLO"), list)


def test_reset_keeps_the_lease(daemon):
    """A pooled redis-py connection is reset between uses; its lease must not go with that."""
    client = daemon.client()
    lease = client.acquire("gw0")
    client("RESET")
    assert client.lease(lease.lease).state == "held"


def test_null_is_written_as_each_protocol_writes_it(daemon):
    client = daemon.client()
    assert client("CLIENT", "GETNAME") is None and client.raw == b"$-1\r\n"
    client("HELLO", "3")
    assert client("CLIENT", "GETNAME") is None and client.raw == b"_\r\n"


def test_client_knows_names_ids_and_ignores_library_info(daemon):
    one, two = daemon.client(), daemon.client()
    assert one("CLIENT", "SETNAME", "first") == "OK"
    assert one("CLIENT", "GETNAME") == "first"
    assert two("CLIENT", "GETNAME") is None
    assert one("CLIENT", "SETINFO", "LIB-NAME", "redis-py") == "OK"
    assert one("CLIENT", "SETINFO", "LIB-VER", "8.1.0") == "OK"
    assert isinstance(one("CLIENT", "ID"), int)
    assert one("CLIENT", "ID") != two("CLIENT", "ID")
    assert one("CLIENT", "ID") == as_map(one("HELLO")).id
    refused(one, "CLIENT", "NOSUCH")
    assert one("PING") == "PONG"


def test_command_lists_every_verb_of_the_table(daemon):
    client = daemon.client()
    verbs = headers.verbs()

    assert client("COMMAND", "COUNT") == len(verbs)
    rows = client("COMMAND")
    assert {row[0].upper() for row in rows} == set(verbs)
    for row in rows:
        low, high, _ = verbs[row[0].upper()]
        assert row[1] == (low if low == high else -low), f"arity of {row[0]}"
    assert {name.upper() for name in client("COMMAND", "LIST")} == set(verbs)
    info = client("COMMAND", "INFO", "acquire", "nosuch")
    assert info[0][0].upper() == "ACQUIRE" and info[1] is None


@pytest.mark.parametrize("protocol", ["2", "3"])
def test_command_docs_explains_what_was_asked(daemon, protocol):
    client = daemon.client()
    client("HELLO", protocol)
    every = as_map(client("COMMAND", "DOCS"))
    assert {name.upper() for name in every} == set(headers.verbs())
    one = as_map(client("COMMAND", "DOCS", "ACQUIRE"))
    assert [name.upper() for name in one] == ["ACQUIRE"]
    assert "lease" in as_map(next(iter(one.values()))).summary


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_person_with_nc_can_type_inline_commands(daemon, end):
    client = daemon.client()
    client.send_raw(b"PING" + end)
    assert client.read() == "PONG"
    client.send_raw(b"  ECHO   'two words'  " + end + b'echo "" "it\'s"' + end)
    assert client.read() == "two words"
    with pytest.raises(ReplyError, match="ECHO"):
        client.read()
    client.send_raw(end + end + b"PING" + end)
    assert client.read() == "PONG"


def test_unbalanced_quotes_are_an_error_not_a_guess(daemon):
    client = daemon.client()
    client.send_raw(b'ECHO "open\r\n')
    assert isinstance(client.read_any(), ReplyError)


def test_help_shows_every_verb_and_one_in_detail(daemon):
    client = daemon.client()
    verbs = headers.verbs()

    lines = client("HELP")
    text = "\n".join(lines) if isinstance(lines, list) else lines
    assert [v for v in verbs if v not in text] == []
    one = client("HELP", "acquire")
    one = "\n".join(one) if isinstance(one, list) else one
    assert verbs["ACQUIRE"][2] in one
    refused(client, "HELP", "NOSUCH")


def test_info_has_sections_and_one_can_be_asked_for(daemon):
    client = daemon.client()
    everything = client("INFO")
    sections = re.findall(r"^# (\w+)\r?$", everything, re.M)
    assert sections[0] == "Server" and len(sections) > 1
    server = client("INFO", "server")
    assert re.findall(r"^# (\w+)\r?$", server, re.M) == ["Server"]
    assert client.info()["process_id"] == str(daemon.pid)


def test_config_get_takes_a_pattern(daemon):
    client = daemon.client()
    assert as_map(client("CONFIG", "GET", "pool_schemas")) == {"pool_schemas": "2"}
    pools = as_map(client("CONFIG", "GET", "pool_*"))
    assert set(pools) == {"pool_schemas", "pool_databases", "pool_redis"}
    assert as_map(client("CONFIG", "GET", "nosuch*")) == {}
    everything = as_map(client("CONFIG", "GET", "*"))
    assert set(daemon.settings) <= set(everything)
    refused(client, "CONFIG", "SET", "pool_schemas", "3")
    refused(client, "CONFIG")
    assert client("PING") == "PONG"


# What a person types at a shell, one process each; every verb of the table has its line here.
ONE_SHOT = {
    "ACQUIRE": (("gw9", "RUN", "cli", "WAIT", "10000", "DETACH"), r"(?m)^state\nheld$"),
    "LEASE": (("cli/master",), r"(?m)^worker\nmaster$"),
    "RENEW": (("cli/master", "TTL", "60000"), r"^(59|60)\d\d\d$"),
    "RELEASE": (("cli/master",), r"^OK$"),
    "DETACH": (("cli/master",), r"^OK$"),
    "ATTACH": (("cli/master", "FENCE"), r"(?m)^worker\nmaster$"),
    "DIFF": (("cli/master",), r"^$"),
    "LEAKS": (("cli/master",), r"^$"),
    "COPY": (("cli/master", "cli/other"), r"^NOLEASE "),
    "BASELINE": (("cli/master",), r"^OK$"),
    "TEMPLATE": (("LIST",), r""),
    "LEASES": ((), r"(?m)^worker\nmaster$"),
    "SLOTS": ((), r"(?m)^held$"),
    "RUNNERS": ((), r"(?m)^runner$|^id$"),
    "ENUM": (("LIST",), r""),
    "ONCE": (("LIST",), r""),
    "ORPHANS": (("LIST", "LIKE", "nothing"), r"^$"),
    "DOCTOR": ((), r"(?m)^severity$"),
    "INFO": (("server",), r"# Server"),
    "CONFIG": (("GET", "prefix"), r"^prefix\ntest_$"),
    "RELOAD": ((), r"^$"),
    "SHUTDOWN": (("NOW",), r"^(OK)?$"),
    "HELP": ((), r"redis-cli"),  # it answers HELP itself; a client's HELP is tested above
    "HELLO": (("3",), r"(?m)^proto"),
    "PING": ((), r"^PONG$"),
    "ECHO": (("hi",), r"^hi$"),
    "AUTH": (("x",), r"OK"),
    "SELECT": (("0",), r"^OK$"),
    "QUIT": ((), r"^OK$"),
    "RESET": ((), r"^RESET$"),
    "COMMAND": (("COUNT",), rf"^{len(headers.verbs())}$"),
    "CLIENT": (("ID",), r"^\d+$"),
}


@pytest.mark.parametrize("verb", headers.verbs())
def test_redis_cli_says_every_verb_from_a_shell(daemon, verb):
    words, wanted = ONE_SHOT[verb]
    lease = daemon.client().acquire("master", run="cli", detach=True, ttl=60000)

    done = daemon.redis_cli(verb, *[lease.fence if w == "FENCE" else w for w in words])

    assert done.returncode == 0, done.stderr
    assert re.search(wanted, done.stdout.strip()), done.stdout + done.stderr


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_acquires_and_releases(daemon, protocol):
    with redis.Redis(
        unix_socket_path=str(daemon.socket),
        protocol=protocol,
        decode_responses=True,
        client_name="suite",
    ) as client:
        assert client.ping()
        assert client.info()
        lease = as_map(client.execute_command("ACQUIRE", "gw0", "WAIT", 10000))
        assert lease.state == "held"
        assert client.execute_command("RELEASE", lease.lease) in ("OK", True)
        with pytest.raises(redis.ResponseError, match="NOLEASE"):
            client.execute_command("LEASE", lease.lease)


def test_a_redis_py_pipeline_gets_its_replies_in_order(daemon):
    with redis.Redis(unix_socket_path=str(daemon.socket), decode_responses=True) as client:
        pipe = client.pipeline(transaction=False)
        for i in range(50):
            pipe.echo(f"n{i}")
        assert pipe.execute() == [f"n{i}" for i in range(50)]
