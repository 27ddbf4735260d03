// SPDX-License-Identifier: MIT
// The receiver of StatusPageOne's documentation: express.json(), the HMAC taken over
// JSON.stringify(req.body), compared with ===. Usage: express.js SECRET_FILE. Prints its
// port, then one JSON line a request, on standard output.
'use strict';

const crypto = require('crypto');
const express = require('express');
const fs = require('fs');

const secret = fs.readFileSync(process.argv[2], 'utf8').replace(/\r?\n$/, '');

function validateWebhook(payload, signature) {
    const expected = crypto.createHmac('sha256', secret)
        .update(JSON.stringify(payload)).digest('hex');
    return signature === `sha256=${expected}`;
}

function answer(req, res, status, reason) {
    const id = req.headers['x-hookspool-delivery'];
    process.stdout.write(`${JSON.stringify({ status, reason, id, body: req.body })}\n`);
    res.status(status).json({ received: status === 200 });
}

const app = express();
app.use(express.json());
app.post('/webhooks/statuspageone', (req, res) => {
    if (!validateWebhook(req.body, req.headers['x-statuspageone-signature'])) {
        answer(req, res, 401, 'wrong signature');
    } else {
        answer(req, res, 200, null);
    }
});
app.use((error, req, res, next) => answer(req, res, error.status || 500, error.message));

const server = app.listen(0, '127.0.0.1', () => {
    process.stdout.write(`${server.address().port}\n`);
});
