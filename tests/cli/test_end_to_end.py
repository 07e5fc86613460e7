"""The command line as programs, each a process of its own, as a person or a script runs them."""

import json
import os
import signal
import time
from pathlib import Path
from typing import IO

from tests.certificates import ca_pem, client_certificate, pem, server_certificate
from tests.cli.conftest import PATIENCE
from tests.cli.program import ROOT, serving, start


def wait_for(stream: "IO[str] | None", text: str) -> None:
    """Read lines up to the one that is this text."""
    assert stream
    for line in stream:
        if line == f"{text}\n":
            return
    raise AssertionError(f"ended without {text!r}")


def test_sigterm_lets_a_call_that_runs_finish(tmp_path: Path) -> None:
    with serving(bind=f"unix://{tmp_path}/s") as (server, address):
        words = ["call", address, "record", "symbol=E"]
        with start(*words, stdin=-1) as client:
            assert client.stdin
            client.stdin.write('{"symbol": "E", "price": 1}\n')
            client.stdin.flush()
            wait_for(server.stderr, "recorded 1")
            server.send_signal(signal.SIGTERM)
            late = time.monotonic() + PATIENCE
            while (tmp_path / "s").exists():  # until it accepts nothing any more
                assert time.monotonic() < late
            client.stdin.write('{"symbol": "E", "price": 1}')  # a last line without its end
            out, errors = client.communicate(timeout=PATIENCE)
        assert (client.returncode, out, errors) == (0, "2\n", "")
        assert server.wait(PATIENCE) == 0
        assert server.stdout
        assert server.stdout.read() == ""


def test_a_reader_that_has_seen_enough_ends_the_call_quietly() -> None:
    with serving() as (server, address):
        words = ["call", address, "watch", "symbol=E", "count=1000000000"]
        with start(*words) as client:
            assert client.stdout
            assert client.stderr
            assert json.loads(client.stdout.readline())["size"] == 0
            client.stdout.close()
            assert client.wait(PATIENCE) == 0
            assert client.stderr.read() == ""
        wait_for(server.stderr, "watch E ended")


def test_items_go_both_ways_as_they_come() -> None:
    with serving() as (_, address), start("call", address, "convert", stdin=-1) as client:
        assert client.stdin
        assert client.stdout
        for amount in range(1, 4):
            client.stdin.write(f"{amount}\n")
            client.stdin.flush()
            assert json.loads(client.stdout.readline()) == amount * 2
        client.stdin.close()
        assert client.stdout.read() == ""
        assert client.wait(PATIENCE) == 0


def test_ctrl_c_cancels_the_call_and_exits_130() -> None:
    with serving() as (server, address):
        with start("call", address, "watch", "symbol=SLOW", "count=1") as client:
            wait_for(client.stdout, '{"symbol": "SLOW", "price": 1.5, "size": 0}')
            client.send_signal(signal.SIGINT)
            _, errors = client.communicate(timeout=PATIENCE)
            assert (client.returncode, errors) == (130, "")
        wait_for(server.stderr, "watch SLOW ended")


def test_ctrl_c_ends_a_call_whose_reader_does_not_read() -> None:
    with serving() as (server, address):
        words = ["call", address, "watch", "symbol=E", "count=1000000000"]
        with start(*words) as client:
            assert client.stdout
            client.stdout.read(1)  # it has begun, and soon the pipe is full
            client.send_signal(signal.SIGINT)
            assert client.wait(PATIENCE) == 130
        wait_for(server.stderr, "watch E ended")


def test_a_server_that_dies_is_exit_code_3() -> None:
    with serving() as (server, address):
        with start("call", address, "watch", "symbol=SLOW", "count=1") as client:
            wait_for(client.stdout, '{"symbol": "SLOW", "price": 1.5, "size": 0}')
            server.kill()
            _, errors = client.communicate(timeout=PATIENCE)
        assert client.returncode == 3
        assert errors.startswith("avrpc: ")
        assert errors.count("\n") == 1


def test_files_are_read_and_written(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks.jsonl"
    with serving() as (_, address):
        with ticks.open("w") as file:
            words = ["call", address, "watch", "symbol=E", "count=1000"]
            with start(*words, stdout=file) as client:
                assert client.wait(PATIENCE) == 0
        assert len(ticks.read_text().splitlines()) == 1000
        with (
            ticks.open() as file,
            start("call", address, "record", "symbol=ONE", stdin=file) as two,
        ):
            out, errors = two.communicate(timeout=PATIENCE)
            assert (two.returncode, out, errors) == (0, "1\n", "")


def test_a_server_whose_output_nobody_reads_serves_and_logs_to_stderr(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = ["serve", "tests.cli.desk:server", "-v", "--bind", f"unix://{tmp_path}/s"]
    with start(*words, stdout=writer) as server:
        os.close(writer)
        assert server.stderr
        assert server.stderr.readline().endswith(f"INFO avrpc: serving on unix://{tmp_path}/s\n")
        with start("call", f"unix://{tmp_path}/s", "fail") as client:
            _, errors = client.communicate(timeout=PATIENCE)
            assert client.returncode == 4
            assert "a secret" not in errors
        wait_for(server.stderr, "    RuntimeError: a secret")
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) == 0


def test_commands_reach_a_server_over_tls_and_say_why_they_do_not(tmp_path: Path) -> None:
    ca, own = ca_pem(tmp_path), pem(tmp_path, client_certificate(), "client.pem")
    certificate = pem(tmp_path, server_certificate(), "server.pem")
    words = ("--tls-cert", str(certificate), "--tls-client-ca", str(ca))
    with serving("tests.cli.desk:server", *words, bind="tls://127.0.0.1:0") as (server, address):
        trust, show = ("--tls-ca", str(ca)), ("--tls-cert", str(own))
        for options, code, problem in (
            ((*trust, *show), 0, ""),
            (
                trust,
                3,
                "the server asks for a certificate of this client's; show one by --tls-cert",
            ),
            (show, 3, "is by no CA that is trusted here"),
            ((*trust, *show, "--tls-name", "desk.test"), 3, "is not for 'desk.test'"),
        ):
            with start("call", address, "last", "symbol=E", *options) as client:
                out, errors = client.communicate(timeout=PATIENCE)
            assert client.returncode == code
            assert bool(out) is not bool(errors)
            assert problem in errors
        with start("describe", address, *trust, *show) as client:
            out, _ = client.communicate(timeout=PATIENCE)
        assert (client.returncode, out.splitlines()[0]) == (0, "protocol demo.Quotes")
        server.terminate()
        assert server.wait(PATIENCE) == 0
        assert server.stderr
        lines = server.stderr.read().splitlines()
        assert [": refused: " in line for line in lines] == [True] * 3


def test_commands_show_a_token_from_a_file_or_the_environment(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cr3t\n")
    show = ("--token-file", str(token))
    with serving("tests.cli.desk:server", *show, bind=f"unix://{tmp_path}/s") as (server, address):
        call = ("call", address, "last", "symbol=E")
        check = ("check", str(ROOT / "schemas"), "--against", address)
        for words, variable, code in (
            ((*call, *show), None, 0),
            ((*call, *show), "wrong", 0),
            (call, "s3cr3t", 0),
            (call, "wrong", 3),
            (call, None, 3),
            (("describe", address), "s3cr3t", 0),
            (("describe", address), None, 3),
            (check, "s3cr3t", 1),  # its protocols are others than those in the folder
            (check, None, 3),
        ):
            environment = os.environ | ({"AVRPC_TOKEN": variable} if variable else {})
            with start(*words, env=environment) as client:
                out, errors = client.communicate(timeout=PATIENCE)
            assert client.returncode == code, out + errors
            assert ("not authenticated" in errors) == (code == 3)
            assert ("; show a token by --token-file" in errors) == (code == 3 and not variable)
            assert "s3cr3t" not in out + errors
        server.terminate()
        assert server.wait(PATIENCE) == 0
        assert server.stderr
        logged = server.stderr.read()
    assert "s3cr3t" not in logged
    assert logged.count(": refused: not authenticated") == 4
