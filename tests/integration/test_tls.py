# SPDX-License-Identifier: MIT
"""PostgreSQL behind TLS: pg_dsn's settings hold for every connection of berthd's, and for those of leases."""

import os
import shutil
import subprocess

import pytest

from harness import places
from harness.pg_server import PgServer
from harness.resp import ReplyError, as_map
from templates.house import ask, is_builder, run_sql, seal


def certificate(name: str) -> dict[str, str]:
    """Self-signed, for 127.0.0.1; owned by who runs PostgreSQL."""
    path = places.new_dir("tls") / name
    files = {"crt": f"{path}.crt", "key": f"{path}.key"}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=berth test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", files["key"], "-out", files["crt"]],
        check=True, capture_output=True,
    )  # fmt: skip
    if os.geteuid() == 0:
        shutil.chown(files["key"], "postgres")
    return files


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL that lets nobody in without TLS but its administrator; (server, certificate)."""
    own = certificate("server")
    pg = PgServer(ssl="on", ssl_cert_file=own["crt"], ssl_key_file=own["key"])
    hba = pg.data / "pg_hba.conf"
    hba.write_text("local all postgres trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
    pg.sql("SELECT pg_reload_conf()")
    yield pg, own["crt"]
    pg.close()


def test_everything_goes_through_tls(make_daemon, server):
    pg, crt = server
    tls = f"?sslmode=verify-full&sslrootcert={crt}"
    daemon = make_daemon(pg=pg, redis=None, pg_dsn=pg.dsn(tcp=True) + tls).ready()
    client = daemon.client()

    builder = ask(client, "tls")
    assert is_builder(builder)
    run_sql(builder.dsn, "CREATE TABLE t AS SELECT 1 AS a")
    seal(client, builder)
    lease = ask(client, "tls")
    session = daemon.sql(lease)
    session.execute("DELETE FROM t")
    assert as_map(client("RESET", lease.lease)).rebuilt == 0

    assert "sslmode=verify-full&sslrootcert=%2F" in lease.dsn
    assert session.execute("SELECT a FROM t").fetchall() == [(1,)]
    plain = "SELECT application_name FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
    assert pg.sql(f"{plain} WHERE NOT ssl AND usename <> 'postgres'") == []
    assert len(pg.sql(f"{plain} WHERE ssl AND usename = 'berthd'")) >= 5


@pytest.mark.parametrize(
    "tls, why",
    [("sslmode=disable", "no encryption"), ("sslmode=verify-full&sslrootcert={other}", "verify")],
)
def test_what_is_not_as_pg_dsn_wants_it_is_not_used(make_daemon, server, tls, why):
    pg, _ = server
    dsn = f"{pg.dsn(tcp=True)}?{tls.format(other=certificate('other')['crt'])}"
    daemon = make_daemon(pg=pg, redis=None, pg_dsn=dsn)
    with pytest.raises(ReplyError) as e:
        daemon.client()("ACQUIRE", "gw0", "WAIT", "500")
    assert e.value.code == "UNAVAILABLE" and why in str(e.value)
