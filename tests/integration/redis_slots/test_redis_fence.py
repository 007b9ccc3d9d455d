# SPDX-License-Identifier: MIT
"""What a lease's user can do, and what it cannot."""

import threading

import pytest
import redis

# fmt: off
ALLOWED = [
    "PING", "ECHO hi", "SET k v", "GET k", "DEL k", "INCR n", "MSET a 1 b 2", "EXPIRE a 100", "TTL a", "TYPE a",
    "HSET h f v", "HGETALL h", "RPUSH l 1", "LRANGE l 0 -1", "BLPOP nothing 0.01", "SADD s 1", "SMEMBERS s",
    "ZADD z 1 m", "ZRANGE z 0 -1", "XADD x * f v", "XREAD STREAMS x 0", "XGROUP CREATE x g 0", "PFADD p 1", "SETBIT bits 1 1",
    "GEOADD geo 1 1 m", "KEYS *", "SCAN 0", "RANDOMKEY", "DBSIZE", "EXISTS k", "RENAME a c", "DUMP c", "OBJECT ENCODING c",
    "SORT l", "MEMORY USAGE c", "TIME", "INFO", "INFO keyspace", "COMMAND", "WAIT 0 0", "FLUSHDB", "FLUSHDB ASYNC",
    "EVAL return(1) 0", "SCRIPT LOAD return(1)", "SCRIPT EXISTS abc", "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
    "PUBLISH channel hi", "PUBSUB CHANNELS", "CLIENT ID", "CLIENT SETNAME me", "CLIENT GETNAME", "CLIENT LIST", "CLIENT INFO",
    "CLIENT SETINFO lib-name x", "CLIENT NO-TOUCH ON", "ACL WHOAMI", "HELLO 2", "ROLE", "READONLY", "LOLWUT",
    "FUNCTION LIST", "UNLINK c", "TOUCH c", "RESTORE r 0 \x00",
]
DENIED = [
    "SELECT 0", "SELECT 2", "SELECT {meta}", "SELECT 999", "FLUSHALL", "FLUSHALL ASYNC", "SWAPDB 0 1", "MOVE k 0", "COPY k k2 DB 0",
    "COPY k k2", "CONFIG GET *", "CONFIG SET maxmemory 1", "CONFIG REWRITE", "ACL LIST", "ACL SETUSER x on", "ACL DELUSER default",
    "ACL GETUSER default", "ACL USERS", "ACL SAVE", "ACL LOAD", "ACL LOG", "DEBUG SLEEP 0", "DEBUG JMAP", "SHUTDOWN NOSAVE", "SAVE",
    "BGSAVE", "BGREWRITEAOF", "REPLICAOF NO ONE", "SLAVEOF NO ONE", "MIGRATE 127.0.0.1 1 k 0 1", "MODULE LIST", "MODULE LOAD /x",
    "MONITOR", "SCRIPT FLUSH", "SCRIPT KILL", "SCRIPT DEBUG YES", "FUNCTION FLUSH", "FUNCTION DELETE x", "FUNCTION KILL",
    "FUNCTION LOAD x", "FUNCTION RESTORE x", "CLIENT KILL ID 1", "CLIENT KILL TYPE normal", "CLIENT PAUSE 1", "CLIENT UNPAUSE",
    "CLIENT UNBLOCK 1", "CLIENT NO-EVICT ON", "SLOWLOG GET", "SLOWLOG RESET", "LATENCY RESET", "MEMORY PURGE", "MEMORY DOCTOR",
    "SYNC", "PSYNC ? -1", "REPLCONF x y", "FAILOVER", "CLUSTER RESET", "CLUSTER MEET 127.0.0.1 1", "PFSELFTEST", "PFDEBUG x k",
    "RESTORE-ASKING r 0 x", "LASTSAVE",
]
# fmt: on

REFUSALS = ("NOPERM", "no permissions", "not allowed", "unknown command")


@pytest.fixture
def slot(runner):
    return runner.claim()


@pytest.fixture
def tenant(slot):
    client = slot.client()
    yield client
    client.close()


def refusal(client, command: str) -> str:
    """The server's words when it does not permit (or, older, not know) the command, else ""."""
    try:
        client.execute_command(*command.split(" "))
    except redis.exceptions.NoPermissionError as e:
        return str(e)
    except redis.ResponseError as e:
        return str(e) if any(w in str(e) for w in REFUSALS) else ""
    return ""


@pytest.mark.parametrize("command", ALLOWED)
def test_an_application_may(command, tenant):
    words = refusal(tenant, command)
    assert words == "" or words.startswith("unknown command")


@pytest.mark.parametrize("command", DENIED)
def test_nobody_may(command, kv, tenant):
    command = command.format(meta=kv.meta_db)
    words = refusal(tenant, command)
    assert words, f"{command} was not refused"
    inside = "return redis.pcall({})".format(", ".join(f"'{w}'" for w in command.split(" ")))
    try:
        tenant.eval(inside, 0)
    except redis.ResponseError:
        pass
    else:
        raise AssertionError(f"{command} was not refused inside a script")
    with tenant.pipeline(transaction=True) as pipe:
        pipe.execute_command(*command.split(" "))
        with pytest.raises(redis.ResponseError):
            pipe.execute()


def words(info) -> list[str]:
    """A call of the command that COMMAND INFO describes, with as few arguments as it takes."""
    name = info[0].split("|")
    return [*name, *["1"] * (abs(info[1]) - len(name))]


def test_whatever_the_server_calls_dangerous_is_refused(kv, runner, slot):
    """Commands that a later version brings, too."""
    if runner.first_up["version"].startswith("6."):
        pytest.skip("ACL DRYRUN came with 7.0")
    admin = redis.Redis(unix_socket_path=str(kv.socket), decode_responses=True)
    admin.response_callbacks.clear()
    ours = {"flushdb", "keys", "sort", "sort_ro", "restore", "info", "role", "client|list"}
    names = {c for category in ("admin", "dangerous") for c in admin.execute_command("ACL", "CAT", category)}
    assert len(names) > 50
    allowed = set()
    for info in admin.execute_command("COMMAND", "INFO", *names):
        if admin.execute_command("ACL", "DRYRUN", slot.user, *words(info)) == "OK":
            allowed.add(info[0])
    assert allowed <= ours
    admin.close()


def test_its_own_database_may_be_selected_again(slot, tenant):
    assert tenant.execute_command("SELECT", slot.db)


def test_an_upper_case_or_padded_number_is_no_way_out(kv, slot, tenant):
    for number in ("00", "+0", " 0", "0x0", f"0{slot.db}", str(kv.meta_db)):
        with pytest.raises(redis.ResponseError):
            tenant.execute_command("select", number)


def test_pubsub_works(slot, tenant):
    listener = tenant.pubsub()
    listener.subscribe("news")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    tenant.publish("news", "hi")
    assert listener.get_message(timeout=5)["data"] == "hi"
    listener.close()


def test_transactions_pipelines_and_scripts_work(tenant):
    with tenant.pipeline(transaction=True) as pipe:
        pipe.watch("k")
        pipe.multi()
        pipe.set("k", "1")
        pipe.incr("k")
        assert pipe.execute() == [True, 2]
    script = tenant.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert script(keys=["k"], args=[5]) == 7


def test_a_dump_can_be_restored(slot):
    client = redis.Redis.from_url(slot.url)
    client.set("k", "v")
    client.restore("copy", 0, client.dump("k"))
    assert client.get("copy") == b"v"
    client.close()


def test_resp3_works(slot):
    client = slot.client(protocol=3)
    client.hset("h", mapping={"a": "1"})
    assert client.hgetall("h") == {"a": "1"}
    client.close()


def test_the_password_of_one_lease_opens_no_other(runner, slot):
    other = runner.claim("b")
    client = redis.Redis.from_url(other.url.replace(other.password, slot.password))
    with pytest.raises(redis.AuthenticationError):
        client.ping()
    client.close()


def test_no_key_survives_an_end_under_a_storm_of_writers(kv, runner):
    for round_ in range(25):
        slot = runner.claim()
        writing = threading.Barrier(4)

        def storm(slot=slot, writing=writing):
            client = slot.client()
            client.ping()
            writing.wait()
            with pytest.raises(redis.RedisError):
                while True:
                    with client.pipeline(transaction=False) as pipe:
                        for j in range(30):
                            pipe.rpush("l", j)
                        pipe.blpop("l", 0)
                        pipe.execute()
            client.close()

        threads = [threading.Thread(target=storm) for _ in range(3)]
        for thread in threads:
            thread.start()
        writing.wait()
        runner.end()
        runner.ended()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        assert kv.db(slot.db).dbsize() == 0, round_
