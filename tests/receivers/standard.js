// SPDX-License-Identifier: MIT
// A receiver that verifies Standard Webhooks with their own library. Usage: standard.js
// SECRET_FILE. Prints its port, then one JSON line a request, on standard output.
'use strict';

const fs = require('fs');
const http = require('http');
const { Webhook } = require('standardwebhooks');

const secret = fs.readFileSync(process.argv[2], 'utf8').replace(/\r?\n$/, '');
const webhook = secret.startsWith('whsec_')
    ? new Webhook(secret) : new Webhook(secret, { format: 'raw' });

function verify(body, headers) {
    try {
        return { status: 200, reason: null, body: webhook.verify(body, headers) };
    } catch (error) {
        return { status: 401, reason: error.message };
    }
}

const server = http.createServer((req, res) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('end', () => {
        const result = verify(Buffer.concat(chunks).toString('utf8'), req.headers);
        result.id = req.headers['x-hookspool-delivery'];
        result.headers = req.headers;
        process.stdout.write(`${JSON.stringify(result)}\n`);
        res.writeHead(result.status).end();
    });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
