/* SPDX-License-Identifier: MIT */
/* Every fault of a request by name, in words, and with what to look at next: one row a
 * fault. */
#include "config.h"

#include "fault.h"

static const struct row {
    const char *name, *text, *hint;
    bool may_be_taken; /* where the whole body went out */
} rows[HSP_FAULT_COUNT] = {
    [HSP_FAULT_NONE] = {"none", "delivered", "", true},
    [HSP_FAULT_UNKNOWN_NAME] =
        {"unknown-name", "the name is not known",
         "look for a typing error in the host of url; 'getent hosts NAME' shows what "
         "this machine knows of a name",
         false},
    [HSP_FAULT_NO_NAME_SERVER] =
        {"no-name-server", "no name server gave an answer",
         "look at /etc/resolv.conf and at the network of this machine; a name in "
         "/etc/hosts needs no name server",
         false},
    [HSP_FAULT_CLOSED_PORT] =
        {"closed-port", "nothing listens on the port",
         "look whether the receiver runs and whether url has the right port; a firewall "
         "that rejects looks the same",
         false},
    [HSP_FAULT_UNREACHABLE] = {"unreachable", "there is no way to the address",
                               "look at the routes of this machine ('ip route get "
                               "ADDRESS'); where only a proxy "
                               "leads out, set proxy",
                               false},
    [HSP_FAULT_CONNECT_TIMEOUT] =
        {"connect-timeout", "nobody answered when the connection was asked for",
         "a firewall drops it, or the machine is down: look whether the port is allowed "
         "on the way; where only a proxy leads out, set proxy",
         false},
    [HSP_FAULT_CONNECT_FORBIDDEN] =
        {"connect-forbidden", "this machine does not allow the connection",
         "look at its own firewall (nft list ruleset) and at the sandbox of the service "
         "(IPAddressDeny, RestrictAddressFamilies)",
         false},
    [HSP_FAULT_CONNECT_FAILED] = {"connect-failed", "the connection could not be made",
                                  "look at the words of the connection's step above",
                                  false},
    [HSP_FAULT_SOURCE_ADDRESS] =
        {"source-address", "the source address cannot be used",
         "look whether source_address is an address or interface of this machine that is "
         "up ('ip address')",
         false},
    [HSP_FAULT_PROXY_UNKNOWN_NAME] = {"proxy-unknown-name",
                                      "the name of the proxy is not known",
                                      "look for a typing error in the host of proxy",
                                      false},
    [HSP_FAULT_PROXY_CLOSED_PORT] =
        {"proxy-closed-port", "nothing listens on the port of the proxy",
         "look whether the proxy runs and whether proxy has the right port", false},
    [HSP_FAULT_PROXY_UNREACHABLE] =
        {"proxy-unreachable", "there is no way to the proxy",
         "look at the host of proxy and at the routes of this machine", false},
    [HSP_FAULT_PROXY_TIMEOUT] =
        {"proxy-timeout", "the proxy did not answer in time",
         "look whether the proxy runs, and whether it reaches the receiver", false},
    [HSP_FAULT_PROXY_CREDENTIALS] =
        {"proxy-credentials", "the proxy wants other credentials",
         "look at user and password in proxy (http://USER:PASSWORD@HOST:PORT)", false},
    [HSP_FAULT_PROXY_REFUSES] =
        {"proxy-refuses", "the proxy does not allow this receiver",
         "let the proxy's rules allow the host and port of url for this machine", false},
    [HSP_FAULT_PROXY_NO_WAY] =
        {"proxy-no-way", "the proxy does not reach the receiver",
         "look at the log of the proxy: it did not find or not reach the host of url",
         false},
    [HSP_FAULT_PROXY_ODD] =
        {"proxy-odd", "what answers at proxy is no such proxy",
         "look at scheme and port of proxy: http, https, socks4 and socks5 are different "
         "things",
         false},
    [HSP_FAULT_PROXY_TLS] =
        {"proxy-tls", "TLS with the proxy failed",
         "look at the certificate of the proxy, and whether it speaks TLS at all: else "
         "proxy begins with http://",
         false},
    [HSP_FAULT_PLAIN_PORT] =
        {"plain-port", "the port does not speak TLS, and url says https",
         "look at the port of url: TLS is on another one, or not set up at the receiver",
         false},
    [HSP_FAULT_TLS_PORT] = {"tls-port", "the port speaks TLS, and url says http",
                            "let url begin with https://", false},
    [HSP_FAULT_TLS_SILENT] =
        {"tls-silent", "the server took the connection and then said nothing to TLS",
         "look whether the port of url is one for TLS, and at the load of the receiver",
         false},
    [HSP_FAULT_TLS_CLOSED] =
        {"tls-closed", "the server closed the connection during the TLS handshake",
         "look whether the port of url is one for TLS, whether the server has a "
         "certificate for this name, and for a firewall that looks into TLS",
         false},
    [HSP_FAULT_TLS_TOO_OLD] = {"tls-too-old",
                               "the server knows no TLS version from 1.2 on",
                               "let the receiver offer TLS 1.2 or 1.3", false},
    [HSP_FAULT_TLS_REFUSED] =
        {"tls-refused", "server and client agree on no way of doing TLS",
         "look at the ciphers that the receiver allows and at the names that it has "
         "certificates for ('openssl s_client -connect HOST:PORT')",
         false},
    [HSP_FAULT_CLIENT_CERTIFICATE] =
        {"client-certificate", "the server wants a client certificate, or another one",
         "look at cert_file and key_file, and at the authority that the receiver trusts",
         false},
    [HSP_FAULT_CERTIFICATE_EXPIRED] =
        {"certificate-expired", "the certificate has expired",
         "let the receiver's certificate be renewed; if it was, look whether the server "
         "was reloaded, and at the clock of this machine",
         false},
    [HSP_FAULT_CERTIFICATE_NOT_YET] =
        {"certificate-not-yet-valid", "the certificate is not valid yet",
         "look at the clock of this machine, then at the certificate", false},
    [HSP_FAULT_CERTIFICATE_SELF_SIGNED] =
        {"certificate-self-signed", "the certificate is signed by itself",
         "where this is meant, copy that certificate to this machine and set ca_file to "
         "it; else the receiver shows the wrong one",
         false},
    [HSP_FAULT_CERTIFICATE_AUTHORITY] =
        {"certificate-authority", "the certificate is of an authority not known here",
         "set ca_file to the certificate of the receiver's authority; with a public one "
         "the server leaves out an intermediate certificate, or the ca-certificates of "
         "this machine are old",
         false},
    [HSP_FAULT_CERTIFICATE_NAME] =
        {"certificate-name", "the certificate is for another name",
         "let url name the host as the certificate does, or let the receiver have a "
         "certificate for the name in url",
         false},
    [HSP_FAULT_CERTIFICATE_REVOKED] = {"certificate-revoked",
                                       "the certificate was revoked",
                                       "let the receiver have a new certificate", false},
    [HSP_FAULT_CERTIFICATE_WEAK] =
        {"certificate-weak", "the certificate's key or digest is too weak",
         "let the receiver have a certificate with a stronger key", false},
    [HSP_FAULT_CERTIFICATE_INVALID] =
        {"certificate-invalid", "the certificate was not accepted",
         "look at the words of the certificate's step above", false},
    [HSP_FAULT_CA_FILE] =
        {"ca-file", "the file of authorities cannot be used",
         "look whether ca_file is there, is PEM, and may be read by the user of "
         "hookspoold",
         false},
    [HSP_FAULT_CERT_FILE] =
        {"cert-file", "the client certificate or its key cannot be used",
         "look whether cert_file and key_file are there, are PEM, belong together, and "
         "may be read by the user of hookspoold",
         false},
    [HSP_FAULT_SILENT] =
        {"silent", "the server took the request and did not answer in time",
         "look at the receiver: it hangs or works longer than timeout; one that works "
         "long should answer first",
         true},
    [HSP_FAULT_SLOW] =
        {"slow", "the answer began and did not end in time",
         "look at the receiver and at the network: it answers more slowly than timeout "
         "allows",
         true},
    [HSP_FAULT_CLOSED] =
        {"closed", "the connection was closed without an answer",
         "look at the log of the receiver: it may have crashed, or something between "
         "closes the connection",
         true},
    [HSP_FAULT_NOT_HTTP] =
        {"not-http", "the answer is not HTTP",
         "look at the port of url: something else than a web server answers there", true},
    [HSP_FAULT_REDIRECT] =
        {"redirect", "the server sends to another place; redirects are not followed",
         "set url to the place that Location names, if it is right", false},
    [HSP_FAULT_BAD_REQUEST] =
        {"bad-request", "the server does not understand the request",
         "look at the answer's words, and whether the receiver takes StatusPageOne's "
         "payload",
         false},
    [HSP_FAULT_UNAUTHORIZED] =
        {"unauthorized", "the receiver does not accept the signature or the credentials",
         "look whether secret_file holds the very secret of the receiver (then "
         "'hookspool reload'); a receiver may want user and password in url",
         false},
    [HSP_FAULT_FORBIDDEN] =
        {"forbidden", "the receiver does not allow it",
         "look at its lists of allowed addresses, at a web application firewall before "
         "it, and at the secret",
         false},
    [HSP_FAULT_NOT_FOUND] =
        {"not-found", "there is no such place at the server",
         "look at the path of url; a webhook that was deleted looks the same", false},
    [HSP_FAULT_METHOD] = {"method-not-allowed", "the place takes no POST",
                          "look at the path of url: a slash at its end may matter",
                          false},
    [HSP_FAULT_REQUEST_TIMEOUT] = {"request-timeout",
                                   "the server says that the request came too slowly",
                                   "look at the load of the receiver and at the network",
                                   false},
    [HSP_FAULT_GONE] =
        {"gone", "the place is gone for good",
         "make a new webhook at the receiver, set url to it, then 'hookspool resume'",
         false},
    [HSP_FAULT_TOO_LARGE] =
        {"too-large", "the receiver finds a body of a few hundred bytes too large",
         "raise the limit of the receiver (client_max_body_size, express.json limit); "
         "max_payload makes the bodies of events smaller",
         false},
    [HSP_FAULT_MEDIA_TYPE] =
        {"media-type", "the receiver does not take JSON",
         "look at the path of url, and whether the receiver takes application/json",
         false},
    [HSP_FAULT_CONTENT] =
        {"content", "the receiver does not take the contents",
         "look at the answer's words: the receiver wants another payload than "
         "StatusPageOne's",
         false},
    [HSP_FAULT_RATE_LIMITED] = {"rate-limited", "the receiver gets too many requests",
                                "wait, and set rate_limit to what the receiver allows",
                                false},
    [HSP_FAULT_REJECTED] = {"rejected", "the receiver refuses the request",
                            "look at the answer's words and at the log of the receiver",
                            false},
    [HSP_FAULT_SERVER_ERROR] =
        {"server-error", "the receiver failed over the request",
         "look at the log of the receiver; its answer's words may say more", true},
    [HSP_FAULT_GATEWAY] =
        {"gateway", "something before the receiver does not reach it",
         "look whether the receiver runs behind its gateway (a reverse proxy, a load "
         "balancer, or the proxy that is configured here)",
         true},
    [HSP_FAULT_UNAVAILABLE] = {"unavailable", "the receiver is not available now",
                               "it is overloaded or being worked on: try again later",
                               true},
    [HSP_FAULT_ODD_STATUS] = {"odd-status", "the answer has a status that nobody defined",
                              "look whether url leads to a web server at all", true},
    [HSP_FAULT_CANCELLED] = {"cancelled", "the test was ended before its time",
                             "hookspoold was stopped; test again when it runs", true},
    [HSP_FAULT_NO_MEMORY] = {"no-memory", "out of memory",
                             "look at the memory of this machine", false},
    [HSP_FAULT_OTHER] = {"other", "the request failed",
                         "look at the words of the step that failed", true},
};

const char *hsp_fault_name(enum hsp_fault fault) { return rows[fault].name; }

const char *hsp_fault_text(enum hsp_fault fault) { return rows[fault].text; }

const char *hsp_fault_hint(enum hsp_fault fault) { return rows[fault].hint; }

bool hsp_fault_may_be_taken(enum hsp_fault fault, bool is_body_sent) {
    return is_body_sent && rows[fault].may_be_taken;
}
