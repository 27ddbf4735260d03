# SPDX-License-Identifier: MIT
"""Items of the queue in the real Zabbix: as simple checks, by the agent, and by the
template with its triggers; and the whole way, from an item's tags to a webhook."""

import os

import pytest

import programs
from spool import wait_for
from zabbix_api import AGENT, CHARACTER, SIMPLE
from zabbix_module import MODULE, ModuleZabbix

# A module built with a sanitizer is for test_zabbix_sanitizers: the server has to be
# started for it.
pytestmark = pytest.mark.slow

TEMPLATE = (programs.STAGE / programs.place("HOOKSPOOL_PREFIX").relative_to("/") / "share"
            / "hookspool" / "zabbix" / "hookspool-template.yaml")
DAEMON_TRIGGER = "hookspool: hookspoold is not running"


@pytest.fixture(scope="module")
def zabbix():
    with ModuleZabbix() as host:
        host.agent_conf["LoadModule"] = MODULE.name
        host.start(agent=True)
        host.daemon = host.start_daemon()
        yield host


def now(zabbix, *itemids):
    """Execute now."""
    zabbix.api("task.create", [{"type": 6, "request": {"itemid": itemid}}
                               for itemid in itemids])


def last(zabbix, itemid):
    (item,) = zabbix.api("item.get", itemids=itemid,
                         output=["lastvalue", "lastclock", "state", "error"])
    return item


def value_of(zabbix, itemid):
    """The next value of an item, or why there is none."""
    before = last(zabbix, itemid)

    def changed():
        zabbix.alive()
        now(zabbix, itemid)
        item = last(zabbix, itemid)
        if item["state"] == "1":
            return item["error"]
        return item["lastclock"] != before["lastclock"] and (item["lastvalue"] or "(empty)")
    return wait_for(f"a value of item {itemid}", changed, timeout=60, pause=0.5)


@pytest.mark.parametrize("item_type", [SIMPLE, AGENT])
def test_keys(zabbix, item_type):
    zabbix.hooks.service(service="API")
    wait_for("it is delivered", lambda: zabbix.hooks.endpoint_status().get("sent"))
    hostid = zabbix.make_host(f"queue-{item_type}", agent_port=zabbix.agent_port)
    expected = {
        "hookspool.daemon": "1",
        "hookspool.pending": "0",
        "hookspool.pending[main]": "0",
        "hookspool.oldest[main]": "0",
        "hookspool.dead": "0",
        "hookspool.incoming": "0",
        "hookspool.state[main]": "ok",
        "hookspool.state": "ok",
        "hookspool.endpoints.discovery": '[{"{#ENDPOINT}":"main"}]',
        "hookspool.pending[/etc/passwd]": "no endpoint '/etc/passwd'; these are: main",
        "hookspool.error": "name an endpoint; these are: main",
        "hookspool.module[items]": "1" if item_type == SIMPLE else None,
    }
    keys = [key for key in expected if expected[key] is not None]
    made = {key: zabbix.make_item(
        hostid, key, item_type=item_type, delay="1h", interfaceid=zabbix.interface(hostid),
        value_type=CHARACTER) for key in keys}
    sent = zabbix.make_item(hostid, "hookspool.sent", item_type=item_type, delay="1h",
                            interfaceid=zabbix.interface(hostid))
    zabbix.reload_cache()
    def answers():
        zabbix.alive()
        now(zabbix, sent, *made.values())
        items = zabbix.api("item.get", hostids=hostid, output=[
            "key_", "lastvalue", "lastclock", "state", "error"])
        if any(item["state"] == "0" and item["lastclock"] == "0" for item in items):
            return None
        return {item["key_"]: item["error"] if item["state"] == "1" else item["lastvalue"]
                for item in items}
    found = wait_for("all items have values", answers, timeout=90, pause=1)
    assert int(found.pop("hookspool.sent")) >= 1
    assert found == {key: expected[key] for key in keys}


def test_from_tags_to_webhooks(zabbix):
    """Tags, the map that hookspool-zabbix-map writes of them, the module, hookspoold."""
    host = 'Web "01" \\ €'
    hostid = zabbix.make_host("web-01", host)
    zabbix.make_item(hostid, "code", tags={
        "webhook.monitor": host, "webhook.up": "200..399", "webhook.status_code": host})
    userid = zabbix.api("user.get", filter={"username": "Admin"})[0]["userid"]
    tokenid = zabbix.api("token.create", name="map", userid=userid)["tokenids"][0]
    token = zabbix.work / "token"
    token.write_text(zabbix.api("token.generate", [tokenid])[0]["token"], encoding="ascii")
    token.chmod(0o600)
    if programs.IS_ROOT:
        os.chown(token, zabbix.user.pw_uid, zabbix.user.pw_gid)
    zabbix.reload_cache()
    before = zabbix.log().count("1 items are monitors")
    done = zabbix.tool(zabbix.bindir / "hookspool-zabbix-map", "--url", zabbix.frontend.url,
                       "--token-file", token, env=zabbix.environment())
    assert done.stderr == ""
    wait_for("the map is read", lambda: zabbix.send(("pulse", "pulse", 1)) == 1
             and zabbix.log().count("1 items are monitors") > before, pause=0.2)
    for value in (200, 503, 200):
        assert zabbix.send(("web-01", "code", value)) == 1
    down, up = [r.payload for r in zabbix.wait_requests(host, 2)]
    assert down["check_result"]["status_code"] == 503
    assert down["check_result"]["error_message"] == "503 is above 399"
    assert down["context"] == {"consecutive_failures": 1, "previous_status": "UP",
                               "notification_level": 1, "notification_type": "incident"}
    assert up["context"]["notification_type"] == "recovery"


def test_template(zabbix):
    """Imported as it is, twice; killing hookspoold raises its trigger, starting it
    resolves it; the endpoints are discovered."""
    text = TEMPLATE.read_text(encoding="utf-8")
    zabbix.import_yaml(text)
    zabbix.import_yaml(text)
    (template,) = zabbix.api("template.get", filter={"host": ["hookspool"]})
    hostid = zabbix.make_host("watched", agent_port=zabbix.agent_port,
                              templates=[{"templateid": template["templateid"]}])
    zabbix.reload_cache()
    items = {item["key_"]: item["itemid"] for item in zabbix.api(
        "item.get", hostids=hostid, output=["key_"])}
    assert value_of(zabbix, items["hookspool.daemon"]) == "1"

    def names():
        return {p["name"] for p in zabbix.api("problem.get", hostids=hostid)}
    assert DAEMON_TRIGGER not in names()
    zabbix.daemon.kill()
    wait_for("the trigger", lambda: now(zabbix, items["hookspool.daemon"])
             or DAEMON_TRIGGER in names(), timeout=90, pause=0.5)
    zabbix.daemon = zabbix.start_daemon()
    wait_for("its end", lambda: now(zabbix, items["hookspool.daemon"])
             or DAEMON_TRIGGER not in names(), timeout=90, pause=0.5)
    # Every item of the template has a value, and of each endpoint.
    (rule,) = zabbix.api("discoveryrule.get", hostids=hostid)
    wait_for("the endpoint is discovered", lambda: now(zabbix, rule["itemid"]) or zabbix.api(
        "item.get", hostids=hostid, filter={"key_": "hookspool.state[main]"}),
             timeout=90, pause=0.5)
    zabbix.reload_cache()
    items = {item["key_"]: item for item in zabbix.api(
        "item.get", hostids=hostid, output=["key_", "itemid"])}
    assert len(items) == 10 + 8
    assert value_of(zabbix, items["hookspool.state[main]"]["itemid"]) == "ok"

    def without():
        now(zabbix, *[item["itemid"] for item in items.values()])
        found = zabbix.api("item.get", hostids=hostid,
                           output=["key_", "state", "error", "lastclock"])
        assert [i for i in found if i["state"] == "1"] == []
        # An empty last error is no value in history's eyes; all else is.
        return [i["key_"] for i in found if i["lastclock"] == "0"] == []
    wait_for("every item has a value", without, timeout=120, pause=1)
    graphs = zabbix.api("graph.get", hostids=hostid, output=["name"])
    assert {g["name"] for g in graphs} == {
        "hookspool: queue", "hookspool: answers", "hookspool main: queue",
        "hookspool main: answers"}
