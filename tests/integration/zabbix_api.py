# SPDX-License-Identifier: MIT
"""Zabbix's frontend on PHP's own web server, its JSON-RPC API as user Admin, and the
objects that tests make by it."""

import base64
import http.cookiejar
import itertools
import json
import random
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

from spool import wait_for
from zabbix_db import NAME, as_user

FRONTEND = "/usr/share/zabbix"
OWN_CONFIG = "/etc/zabbix/zabbix.conf.php"  # a fixed place, in Debian's package
CONFIG = """<?php
global $DB, $HISTORY;
$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '{socket}', 'PORT' => '0',
    'DATABASE' => '{name}', 'USER' => '{name}', 'PASSWORD' => '', 'SCHEMA' => '',
    'ENCRYPTION' => false, 'DOUBLE_IEEE754' => true];
$ZBX_SERVER = '127.0.0.1';
$ZBX_SERVER_PORT = '{server_port}';
$ZBX_SERVER_NAME = 'hookspool';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
"""
FLOAT, CHARACTER, LOG, UNSIGNED, TEXT = range(5)  # value types of items
TRAPPER, SIMPLE, AGENT = 2, 3, 0  # types of items


class ApiError(AssertionError):
    pass


def free_port():
    """Zabbix takes none beyond 32767, where the kernel's free choice begins."""
    while True:
        port = random.randrange(11000, 32767)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Frontend:
    """The frontend below `folder`. `api(method, params)` logs in by itself."""

    def __init__(self, folder, user, database, server_port):
        self.folder, self.user, self.database = folder, user, database
        self.server_port = server_port
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = folder.parent / "php.log"
        self.process = self.token = None
        self.numbers = itertools.count(1)

    def start(self):
        shutil.copytree(FRONTEND, self.folder, symlinks=True,
                        ignore=shutil.ignore_patterns("locale"))
        (self.folder / "locale").mkdir()
        config = self.folder / "zabbix.conf.php"
        config.write_text(CONFIG.format(name=NAME, socket=self.database.socket_dir,
                                        server_port=self.server_port), encoding="utf-8")
        loader = self.folder / "include" / "classes" / "core" / "CConfigFile.php"
        text = loader.read_text(encoding="utf-8")
        assert OWN_CONFIG in text, f"where does {loader} look for its configuration?"
        loader.write_text(text.replace(OWN_CONFIG, str(config)), encoding="utf-8")
        settings = {"date.timezone": "UTC", "memory_limit": "512M", "post_max_size": "32M",
                    "max_execution_time": 300, "max_input_time": 300}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["php", *[f"-d{key}={value}" for key, value in settings.items()],
                 "-S", f"127.0.0.1:{self.port}", "-t", str(self.folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                start_new_session=True, **as_user(self.user))
        wait_for("the frontend answers", self.answers, pause=0.05)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log_path.read_text()[-2000:]
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def call(self, method, params, token=None):
        """One call of the API as it is; what it answers."""
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params,
                           "id": next(self.numbers), "auth": token}).encode()
        request = urllib.request.Request(
            f"{self.url}/api_jsonrpc.php", body, {"Content-Type": "application/json-rpc"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())

    def api(self, method, params=None, **more):
        """The result of one call; parameters as an object, or by name, or both."""
        if self.token is None:
            self.token = self.call("user.login",
                                   {"username": "Admin", "password": "zabbix"})["result"]
        if not isinstance(params, list):
            params = {**(params or {}), **more}
        answer = self.call(method, params, self.token)
        if "error" in answer:
            raise ApiError(f"{method}: {answer['error']}")
        return answer["result"]

    def import_yaml(self, text):
        """As the Import button does, everything allowed."""
        both = {"createMissing": True, "updateExisting": True}
        rules = {name: both for name in (
            "mediaTypes", "templates", "hosts", "items", "triggers", "graphs",
            "discoveryRules", "valueMaps", "templateDashboards")}
        rules.update(groups={"createMissing": True, "updateExisting": True},
                     templateLinkage={"createMissing": True})
        assert self.api("configuration.import", format="yaml", source=text, rules=rules)

    def test_media_type(self, mediatypeid, sendto, subject, message):
        """The Test button of the media types' page, by the pages themselves: what they
        say (HTML in JSON)."""
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

        def post(page, **fields):
            data = urllib.parse.urlencode(fields).encode()
            with opener.open(f"{self.url}/{page}", data, timeout=120) as answer:
                return answer.read().decode()

        post("index.php", name="Admin", password="zabbix", enter="Sign in")
        (cookie,) = [c.value for c in jar if c.name == "zbx_session"]
        session = json.loads(base64.b64decode(urllib.parse.unquote(cookie)))["sessionid"]
        return post("zabbix.php?action=popup.mediatypetest.send", sid=session[16:],
                    mediatypeid=mediatypeid, sendto=sendto, subject=subject,
                    message=message)


class Objects:
    """Hosts and what belongs to them, by the API; each call returns the new id. For a
    class that has `api`."""

    def groupid(self, name="hookspool"):
        """The id of a host group, which is made if need be."""
        found = self.api("hostgroup.get", filter={"name": [name]})
        if found:
            return found[0]["groupid"]
        return self.api("hostgroup.create", name=name)["groupids"][0]

    def make_host(self, host, name=None, agent_port=None, **more):
        """`host` is the technical name, `name` the visible one. With `agent_port` it has
        an interface, which simple checks need as well."""
        params = {"host": host, "name": name or host,
                  "groups": [{"groupid": self.groupid()}], **more}
        if agent_port:
            params["interfaces"] = [{"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1",
                                     "dns": "", "port": str(agent_port)}]
        return self.api("host.create", params)["hostids"][0]

    def make_items(self, hostid, keys, value_type=UNSIGNED, item_type=TRAPPER, **more):
        """Items named as their keys, in one call; tags={"webhook.monitor": "x"} is for
        all of them. Trappers take what zabbix_sender sends."""
        made = self.api("item.create", [
            {"hostid": hostid, "name": key, "key_": key, "type": item_type,
             "value_type": value_type, **spelled_tags(more)} for key in keys])
        return made["itemids"]

    def make_item(self, hostid, key, **options):
        return self.make_items(hostid, [key], **options)[0]

    def make_triggers(self, triggers, **common):
        """Triggers of (name, expression) in one call, all with the same severity
        (priority=4), opdata, url, tags …; "last(/host/key)>0"."""
        made = self.api("trigger.create", [
            {"description": name, "expression": expression, **spelled_tags(common)}
            for name, expression in triggers])
        return made["triggerids"]

    def make_trigger(self, name, expression, **options):
        return self.make_triggers([(name, expression)], **options)[0]

    def interface(self, hostid):
        """The id of a host's interface, for items of the agent and simple checks."""
        return self.api("hostinterface.get", hostids=hostid)[0]["interfaceid"]

    def problems(self, **filters):
        """The events of problems, newest last, with tags and acknowledges."""
        return self.api("event.get", source=0, object=0, value=1, sortfield="eventid",
                        selectTags="extend", selectAcknowledges="extend", **filters)

    def alerts(self, **filters):
        return self.api("alert.get", sortfield="alertid", **filters)


def spelled_tags(params):
    """tags={"a": "b"} as the API has them: [{"tag": "a", "value": "b"}]."""
    tags = params.get("tags")
    if not isinstance(tags, dict):
        return params
    return {**params, "tags": [{"tag": k, "value": v} for k, v in tags.items()]}


def text_of(page):
    """The words of what a page answers, for messages."""
    return re.sub(r"<[^>]*>", " ", page)
