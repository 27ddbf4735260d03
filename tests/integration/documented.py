# SPDX-License-Identifier: MIT
"""The receivers of tests/receivers, run under node: what the documentation of
StatusPageOne and of Standard Webhooks shows, with a record of each request."""

import json
import subprocess
import threading

import programs


class NodeReceiver:
    """`script` of tests/receivers with the secret in `secret_file`; `requests` grows."""

    def __init__(self, folder, script, secret_file):
        self.requests = []
        self.process = subprocess.Popen(
            ["node", str(folder / script), str(secret_file)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, env=programs.environment(), cwd=folder)
        self.port = int(self.process.stdout.readline())
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.requests.append(json.loads(line))

    def url(self):
        return f"http://127.0.0.1:{self.port}/webhooks/statuspageone"

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.thread.join(10)
        self.process.stdout.close()
