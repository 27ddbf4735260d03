# SPDX-License-Identifier: MIT
"""hookspool-zabbix-map: the module's map by Zabbix's API, a made-up one for what can go
wrong, and the real one."""

import json
import os
import stat
import subprocess

import pytest

import programs
from certificates import Authority
from fakeapi import TOKEN, Api
from zabbix import Zabbix, as_user

MAP = programs.BINDIR / "hookspool-zabbix-map"


def item(itemid, key="icmpping", host="web-01", **tags):
    return {"itemid": str(itemid), "key_": key, "value_type": "3",
            "hosts": [{"hostid": "1", "host": host}],
            "tags": [{"tag": f"webhook.{name}", "value": str(value)}
                     for name, value in tags.items()]}


@pytest.fixture
def api():
    made = Api()
    yield made
    made.close()


@pytest.fixture
def run(folder, api):
    token = folder / "token"
    token.write_text(TOKEN + "\n", encoding="ascii")
    token.chmod(0o640)

    def call(*options, code=0, url=None, **more):
        done = programs.run(MAP, "--url", url or api.url, "--token-file", token,
                            "--output", folder / "items.map", *options, **more)
        assert done.returncode == code, done
        assert TOKEN not in done.stdout + done.stderr
        return done
    call.map, call.token = folder / "items.map", token
    return call


EXPECTED = """hookspool-zabbix-map 1
item 7
host web-01
service Shop
name Shop
id shop-1
url https://shop.example.com/
up 200..399
failures 3
notify_at 5 10
repeat 30m
response_time 8
status_code 9
item 1234
host db "01"
service icmpping[,3]
up =1
end 2
"""


def shop():
    return [item(1234, "icmpping[,3]", host='db "01"', monitor="", up="=1"),
            item(8, "time", response_time="Shop"), item(9, "code", status_code="Shop"),
            item(10, "time", host="other", response_time="Shop"),
            item(7, "web.test.rspcode[a,b]", monitor="Shop", up="200..399", failures=3,
                 notify_at="5 10", repeat="30m", id="shop-1",
                 url="https://shop.example.com/")]


@pytest.mark.parametrize("version", ["5.4.0", "6.0.14", "6.2.9", "6.4.0", "7.0.22"])
def test_the_map(run, api, version):
    """The token where that version wants it; the tags as words, in a fixed order."""
    api.version, api.items = version, shop()
    done = run()
    assert run.map.read_text() == EXPECTED and "written, 2 items" in done.stdout
    assert stat.S_IMODE(run.map.stat().st_mode) == 0o644 and done.stderr == ""
    assert {path for path, *_ in api.requests} == {"/api_jsonrpc.php"}
    request = api.requests[-1][2]
    assert request["method"] == "item.get" and request["params"]["evaltype"] == 2


@pytest.mark.parametrize("suffix", ["/", "/api_jsonrpc.php"])
def test_forms_of_the_address(run, api, suffix):
    api.items = shop()
    run(url=api.url + suffix)
    assert {path for path, *_ in api.requests} == {"/api_jsonrpc.php"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "[::1]",
                                  "[0:0::1]"])
def test_this_machine_needs_no_tls(run, api, host):
    """Whether or not somebody answers there."""
    api.items = shop()
    done = programs.run(MAP, "--url", f"http://{host}:{api.port}/", "--token-file", run.token,
                        "--print")
    assert done.returncode in (0, 69) and "--allow-http" not in done.stderr, done


def test_unchanged_is_left_alone(run, api, folder):
    api.items = shop()
    run()
    before = run.map.stat()
    api.items.reverse()
    assert "unchanged" in run().stdout
    assert run.map.stat().st_ino == before.st_ino
    assert run.map.stat().st_mtime_ns == before.st_mtime_ns
    api.items.pop()
    assert "would be written, 1 items (before: 2)" in run("--dry-run").stdout
    assert run("--print").stdout != EXPECTED and run.map.read_text() == EXPECTED
    run()
    assert run.map.stat().st_ino != before.st_ino
    assert sorted(os.listdir(folder)) == ["items.map", "token"]


def test_the_token_from_a_credential(run, api, folder):
    api.items = shop()
    (folder / "c").mkdir()
    run.token.rename(folder / "c" / "zabbix-token")
    done = programs.run(MAP, "-u", api.url, "-t", "zabbix-token", "-p",
                        env={"CREDENTIALS_DIRECTORY": str(folder / "c")})
    assert done.stdout == EXPECTED


def test_wrong_tags_leave_an_item_out(run, api):
    api.items = shop() + [
        item(1, monitor="a"), item(2, monitor="b", up="~("), item(3, monitor="c", up=">0",
                                                                 failures="0"),
        item(4, monitor="d", up=">0", repeat="soon"),
        item(5, monitor="e\nitem 99", up=">0")]
    done = run()
    assert run.map.read_text() == EXPECTED
    lines = done.stderr.splitlines()
    assert len(lines) == 5 and all("left out" in line for line in lines), lines
    for number, word in enumerate(("webhook.up", "up", "failures", "repeat", "line end"), 1):
        assert f"item {number} " in lines[number - 1] and word in lines[number - 1]


def test_a_wrong_factor_costs_its_value_only(run, api):
    """In the module it would cost the monitor."""
    api.items = shop()
    api.items[1]["tags"].append({"tag": "webhook.factor", "value": "abc"})
    done = run()
    assert run.map.read_text() == EXPECTED.replace("response_time 8\n", "")
    assert done.stderr.count("\n") == 1 and "item 8 " in done.stderr, done
    assert "webhook.factor: 'abc' is no number: left out" in done.stderr


def test_odd_items_are_passed_over(run, api):
    """One without hosts or tags, the same twice, one too long for a line of the map."""
    bare = {"itemid": "5", "key_": "k", "value_type": "3"}
    api.items = [bare, *shop(), item(7, monitor="again", up=">0"),
                 item(77, monitor="x" * 70_000, up=">0")]
    done = run()
    assert run.map.read_text() == EXPECTED
    lines = done.stderr.splitlines()
    assert len(lines) == 3 and all("left out" in line for line in lines), lines
    assert "item 1 of 8" in lines[0] and "item 7 " in lines[1] and "twice" in lines[1]
    assert "item 77 " in lines[2] and "64 KB" in lines[2]


def test_two_items_of_one_name(run, api):
    api.items = [item(1, monitor="a", up=">0"), item(2, monitor="a", up=">0")]
    assert "same value of the tag" in run().stderr


def test_an_empty_answer_wipes_nothing(run, api):
    run()  # where there is none, an empty one is fine
    assert run.map.read_text() == "hookspool-zabbix-map 1\nend 0\n"
    api.items = shop()
    run()
    api.items = []
    done = run(code=65)
    assert run.map.read_text() == EXPECTED
    assert "--allow-empty" in done.stderr and "has 2" in done.stderr
    api.items = [item(1, monitor="no rule")]
    run(code=65)
    run("--allow-empty")
    assert run.map.read_text() == "hookspool-zabbix-map 1\nend 0\n"


GARBAGE = [
    (200, b"<html>Sign in</html>", 76, "frontend"), (200, b"", 76, "nothing"),
    (200, b"[]", 76, ""), (200, b"{}", 76, "no result"), (200, b'{"result":null}', 76, ""),
    (200, b'{"result":{}}', 76, "list"), (200, b'{"result":[1]}', 76, "item 1 of 1"),
    (200, b'{"result":[{"itemid":"x","key_":"k","hosts":[],"tags":[]}]}', 76, "item 1"),
    (200, b'{"result":[{"itemid":"1","key_":"k","hosts":[],"tags":[]}]}', 76, "item 1"),
    (200, b'{"error":{"message":"Invalid params.","data":"No permissions\\n."}}', 76,
     "No permissions"),
    (200, b'{"error":1}', 76, "API says: 1"), (200, b'{"error":{"code":-5}}', 76, "-5"),
    (200, b'{"error":null}', 76, "no result"), (200, b'{"error":{"message":"a\\nb"}}', 76,
                                                "says: a b"), (500, b"{}", 69, "HTTP status 500"),
    (404, b"{}", 69, "404"), (302, b"", 69, "not followed")]


@pytest.mark.parametrize("status,body,code,word", GARBAGE)
def test_answers_that_are_none(run, api, status, body, code, word):
    """One line that names the step, and the map as it was."""
    api.items = shop()
    run()
    api.answer = (status, body)
    done = run(code=code)
    assert word in done.stderr and "item.get" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and run.map.read_text() == EXPECTED


def test_an_error_that_is_null(run, api):
    """JSON-RPC 1.0 has both members, and so do some that stand between."""
    api.answer = (200, json.dumps({"error": None, "result": shop()}).encode())
    assert run().stderr == "" and run.map.read_text() == EXPECTED


@pytest.mark.parametrize("version,word", [("4.0.1", "5.4"), ("", "version"), ("x", "version")])
def test_versions_that_are_none(run, api, version, word):
    api.version = version
    assert word in run(code=76).stderr and not run.map.exists()


def test_nobody_answers(run, api):
    api.close()
    done = run(code=69)
    assert "apiinfo.version" in done.stderr and str(api.port) in done.stderr


def test_a_wrong_token(run):
    run.token.write_text("f" * 64, encoding="ascii")
    assert "Not authorised" in run(code=76).stderr


@pytest.mark.parametrize("text,mode,word", [
    ("", 0o600, "empty"), ("\n", 0o600, "empty"), (TOKEN, 0o644, "everybody"),
    ("a b", 0o600, "no API token"), ("a\nX: y", 0o600, "no API token"),
    (None, 0, "No such file"), ("x" * 5000, 0o600, "")])
def test_token_files_that_are_refused(run, api, text, mode, word):
    run.token.unlink()
    if text is not None:
        run.token.write_text(text, encoding="ascii")
        run.token.chmod(mode)
    assert word in run(code=66).stderr and api.requests == []


@pytest.mark.parametrize("url,word", [
    ("http://zabbix.example.com/", "--allow-http"),
    ("http://127.evil.example/", "--allow-http"),
    ("http://127.0.0.1.evil.example/", "--allow-http"),
    ("http://localhost.evil.example/", "--allow-http"),
    ("http://128.0.0.1/", "--allow-http"), ("http://[::2]/", "--allow-http"), ("ftp://127.0.0.1/", "http"),
    ("https://u:p@127.0.0.1/", "user"), ("", "--url"), ("https://", "--url"),
    ("http://127.0.0.1:x/", "--url")])
def test_addresses_that_are_refused(folder, run, url, word):
    done = programs.run(MAP, "--url", url, "--token-file", run.token)
    assert done.returncode in (64, 66) and word in done.stderr, done


def test_tls(folder, run):
    """Verified, against the system's certificates or a file."""
    authority = Authority(folder / "ca")
    certificate = authority.issue("zabbix")
    from receiver import tls_context  # the receiver's, for the same certificates
    secure = Api(context=tls_context(certificate, None))
    try:
        secure.items = shop()
        url = f"https://localhost:{secure.port}/"
        assert "certificate" in run(url=url, code=69).stderr
        run("--ca-file", authority.cert, url=url)
        assert run.map.read_text() == EXPECTED
    finally:
        secure.close()


def test_where_it_cannot_write(run, api, folder):
    api.items = shop()
    done = run("--output", folder / "none" / "items.map", code=73)
    assert "none" in done.stderr
    run.map.write_text("something else\n", encoding="ascii")
    assert "it is no map" in run(code=73).stderr
    run.map.unlink()
    run.map.mkdir()
    run(code=73)


@pytest.mark.parametrize("args,word", [
    (["--url", "x"], "--token-file"), (["--token-file", "x"], "--url"),
    (["--url", "x", "--token-file", "x", "y"], "operand"),
    (["--url", "x", "--token-file", "x", "--timeout", "0s"], "--timeout")])
def test_wrong_options(args, word):
    done = programs.run(MAP, *args)
    assert done.returncode == 64 and word in done.stderr
    assert len(done.stderr.splitlines()) == 1


# The real one.

@pytest.fixture(scope="module")
def zabbix():
    with Zabbix() as host:
        host.start()
        yield host


def test_items_of_a_real_zabbix(zabbix):
    """Disabled items and hosts are not in it; a token of a user who sees nothing wipes
    nothing."""
    hostid = zabbix.make_host('web-01', 'Web "01"')
    itemid = zabbix.make_item(hostid, "status", tags={
        "webhook.monitor": "Shop", "webhook.up": "200..399", "webhook.failures": "2"})
    extra = zabbix.make_item(hostid, "time", value_type=0,
                             tags={"webhook.response_time": "Shop"})
    zabbix.make_item(hostid, "off", status=1, tags={"webhook.monitor": "Off",
                                                    "webhook.up": ">0"})
    zabbix.make_item(hostid, "plain")
    user = zabbix.api("user.get", filter={"username": "Admin"})[0]["userid"]
    tokenid = zabbix.api("token.create", name="map", userid=user)["tokenids"][0]
    token = zabbix.work / "token"
    token.write_text(zabbix.api("token.generate", [tokenid])[0]["token"], encoding="ascii")
    token.chmod(0o600)
    if programs.IS_ROOT:
        os.chown(token, zabbix.user.pw_uid, zabbix.user.pw_gid)
    path = zabbix.work / "items.map"
    command = [str(a) for a in (zabbix.bindir / "hookspool-zabbix-map", "--url",
                                zabbix.frontend.url, "-t", token, "-o", path)]

    def write():
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False,
                              env=zabbix.environment(), **as_user(zabbix.user))
    done = write()
    assert done.returncode == 0 and done.stderr == "", done
    assert path.read_text() == (
        f'hookspool-zabbix-map 1\nitem {itemid}\nhost web-01\nservice Shop\nname Shop\n'
        f"up 200..399\nfailures 2\nresponse_time {extra}\nend 1\n")
    zabbix.api("host.update", hostid=hostid, status=1)
    done = write()
    assert done.returncode == 65 and "--allow-empty" in done.stderr, done
    token.write_text("0" * 64, encoding="ascii")
    done = write()
    assert done.returncode == 76 and "item.get: the API says" in done.stderr, done
    assert "end 1\n" in path.read_text()
