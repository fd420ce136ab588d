
/*
 * The UAS core: what is done with a request, or why it is refused, in the
 * order of RFC 3261, 8.2.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_UNSUPPORTED_LEN  1024


static const ngx_sip_dialect_t *ngx_sip_sessions(ngx_sip_conn_t *conn,
    ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_hop(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static void ngx_sip_refuse(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_uint_t status, const char *headers);
static void ngx_sip_refuse_method(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    const char *allow);
static void ngx_sip_cancel(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static ngx_uint_t ngx_sip_scheme_status(ngx_sip_msg_t *msg);
static void ngx_sip_warn_secure(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static void ngx_sip_options(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    const char *allow);
static ngx_uint_t ngx_sip_is_hosted(ngx_sip_conn_t *conn, ngx_str_t *host);
static void ngx_sip_im(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_users_from(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_users_route(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_unsupported(ngx_sip_msg_t *msg, u_char *dst,
    ngx_str_t *row);
static ngx_uint_t ngx_sip_looped(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);


/*
 * Takes a request that ngx_sip_parse() read.  What is wrong with its framing
 * may be set in msg->error already.
 */

void
ngx_sip_request(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_uint_t                status;
    const char               *allow;
    ngx_fed_key_t             key;
    ngx_sip_refusal_t         refusal;
    const ngx_sip_dialect_t  *dialect;

    if (ngx_sip_check(msg) != NGX_OK) {

        /* an ACK is never answered (RFC 3261, 17) */

        if (msg->method == NGX_SIP_ACK) {
            return;
        }

        ngx_log_error(NGX_LOG_INFO, conn->link->log, 0,
                      "peer sent a SIP request that is refused by %ui: %s",
                      msg->error, msg->problem ? msg->problem : "");

        if (msg->nvias == 0 && ngx_sip_header(msg, NGX_SIP_VIA) == NULL) {
            ngx_fed_link_shutdown(conn->link, "no Via to answer with");
            return;
        }

        ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));
        refusal.status = msg->error;
        refusal.reason = msg->problem;

        key = ngx_sip_server_key(conn, msg, &msg->method_name);

        ngx_sip_respond(conn, msg, &key, &refusal);
        return;
    }

    dialect = ngx_sip_sessions(conn, msg);
    allow = dialect ? dialect->allow : NGX_SIP_ALLOW;

    if (msg->method == NGX_SIP_ACK) {

        if (dialect && msg->version) {
            dialect->session(conn, msg);
        }

        return;
    }

    if (!msg->version) {
        ngx_sip_refuse(conn, msg, 505, NULL);
        return;
    }

    switch (msg->method) {

    case NGX_SIP_CANCEL:
        ngx_sip_cancel(conn, msg);
        return;

    case NGX_SIP_MESSAGE:
    case NGX_SIP_OPTIONS:
    case NGX_SIP_SUBSCRIBE:
    case NGX_SIP_NOTIFY:
    case NGX_SIP_BENOTIFY:
        break;

    case NGX_SIP_OTHER_METHOD:

        if (ngx_sip_hop(conn, msg) != NGX_OK) {
            ngx_sip_refuse_method(conn, msg, allow);
        }

        return;

    case NGX_SIP_INVITE:
    case NGX_SIP_BYE:
    case NGX_SIP_INFO:
    case NGX_SIP_UPDATE:

        if (dialect) {
            break;
        }

        /* fall through */

    default:
        ngx_sip_refuse_method(conn, msg, allow);
        return;
    }

    status = ngx_sip_scheme_status(msg);

    if (status == 480) {
        ngx_sip_warn_secure(conn, msg);
        return;
    }

    if (status) {
        ngx_sip_refuse(conn, msg, status, NULL);
        return;
    }

    switch (msg->method) {

    case NGX_SIP_OPTIONS:
        ngx_sip_options(conn, msg, allow);
        return;

    case NGX_SIP_SUBSCRIBE:
        ngx_sip_notifier_request(conn, msg);
        return;

    case NGX_SIP_NOTIFY:
    case NGX_SIP_BENOTIFY:
        ngx_sip_subscriber_request(conn, msg);
        return;

    case NGX_SIP_MESSAGE:

        if (msg->to.tag.len == 0 || dialect == NULL) {
            ngx_sip_im(conn, msg);
            return;
        }

        /* fall through */

    default:
        dialect->session(conn, msg);
    }
}


/*
 * Hands a request to the dialects that the federation has, as it may be ahead
 * of all that says which one the peer speaks.  Returns NGX_DECLINED if it is
 * nothing to them.
 */

static ngx_int_t
ngx_sip_hop(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_uint_t                i;
    const ngx_sip_dialect_t  *dialect;

    for (i = 0; i < NGX_FED_DIALECTS; i++) {

        dialect = ngx_sip_dialects[i];

        if ((conn->ctx->conf->dialects & ((ngx_uint_t) 1 << i))
            && dialect->hop && dialect->hop(conn, msg) == NGX_OK)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/*
 * Returns the dialect of the domain that a request says it is from, or NULL if
 * that has no IM sessions.
 */

static const ngx_sip_dialect_t *
ngx_sip_sessions(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    u_char                    buf[NGX_FED_DOMAIN_MAX];
    ngx_str_t                 name;
    ngx_sip_uri_t             uri;
    ngx_fed_domain_t         *domain;
    const ngx_sip_dialect_t  *dialect;

    if (ngx_sip_uri(&msg->from.uri, &uri) != NGX_OK
        || uri.host.len > sizeof(buf))
    {
        return NULL;
    }

    name.data = buf;
    name.len = uri.host.len;

    ngx_strlow(buf, uri.host.data, uri.host.len);

    domain = ngx_fed_domain_find(conn->ctx->conf, &name, &ngx_sip_leg);

    if (domain->leg != conn->ctx->conf->sip) {
        return NULL;
    }

    dialect = ngx_sip_dialects[domain->dialect];

    return dialect->session ? dialect : NULL;
}


static void
ngx_sip_refuse(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg, ngx_uint_t status,
    const char *headers)
{
    ngx_fed_key_t      key;
    ngx_sip_refusal_t  refusal;

    ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));

    refusal.status = status;
    refusal.headers.data = (u_char *) headers;
    refusal.headers.len = headers ? ngx_strlen(headers) : 0;

    key = ngx_sip_server_key(conn, msg, &msg->method_name);

    ngx_sip_respond(conn, msg, &key, &refusal);
}


/* RFC 3261, 8.2.1, 12.2.2 */

static void
ngx_sip_refuse_method(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    const char *allow)
{
    switch (msg->method) {

    case NGX_SIP_OTHER_METHOD:
        ngx_sip_refuse(conn, msg, 501, allow);
        return;

    case NGX_SIP_INVITE:
    case NGX_SIP_REGISTER:
    case NGX_SIP_PUBLISH:
        break;

    default:

        if (msg->to.tag.len) {
            ngx_sip_refuse(conn, msg, 481, NULL);
            return;
        }
    }

    ngx_sip_refuse(conn, msg, 405, allow);
}


/*
 * RFC 3261, 9.2: a MESSAGE goes on, as it can not be taken back, and the others
 * are answered by now (RFC 6665, 4.6)
 */

static void
ngx_sip_cancel(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_str_t      method;
    ngx_uint_t     i;
    ngx_fed_key_t  key;

    static const ngx_str_t  methods[] = {
        ngx_string("INVITE"),
        ngx_string("MESSAGE"),
        ngx_string("SUBSCRIBE"),
        ngx_string("NOTIFY")
    };

    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {

        method = methods[i];
        key = ngx_sip_server_key(conn, msg, &method);

        if (ngx_sip_server_find(conn->ctx, &key)) {
            ngx_sip_refuse(conn, msg, 200, NULL);
            return;
        }
    }

    ngx_sip_refuse(conn, msg, 481, NULL);
}


/* RFC 3261, 8.2.2.1; RFC 7247, 8: what is secure end to end stays so */

static ngx_uint_t
ngx_sip_scheme_status(ngx_sip_msg_t *msg)
{
    ngx_sip_uri_t  uri;

    (void) ngx_sip_uri(&msg->uri, &uri);

    if (uri.scheme == NGX_SIP_SCHEME_OTHER) {
        return 416;
    }

    if (uri.scheme == NGX_SIP_SCHEME_SIPS) {
        return 480;
    }

    (void) ngx_sip_uri(&msg->to.uri, &uri);

    return uri.scheme == NGX_SIP_SCHEME_SIPS ? 480 : 0;
}


/* RFC 5630, 5.1.2.1 */

static void
ngx_sip_warn_secure(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    u_char             buf[256 + sizeof("Warning: 380  \"SIPS Not Allowed\""
                                        CRLF)];
    ngx_str_t         *host;
    ngx_fed_key_t      key;
    ngx_sip_refusal_t  refusal;

    host = &conn->ctx->conf->host;

    refusal.status = 480;
    refusal.reason = NULL;
    refusal.headers.data = buf;
    refusal.headers.len = ngx_snprintf(buf, sizeof(buf),
                                       "Warning: 380 %*s \"SIPS Not Allowed\""
                                       CRLF, ngx_min(host->len, 256),
                                       host->data)
                          - buf;

    key = ngx_sip_server_key(conn, msg, &msg->method_name);

    ngx_sip_respond(conn, msg, &key, &refusal);
}


/*
 * RFC 3261, 11.2: the same for the gateway and for all users behind it, who
 * are not asked.
 */

static void
ngx_sip_options(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg, const char *allow)
{
    ngx_str_t          row;
    ngx_fed_key_t      key;
    ngx_sip_uri_t      uri;
    ngx_fed_conf_t    *fcf;
    ngx_sip_refusal_t  refusal;
    u_char             buf[NGX_SIP_UNSUPPORTED_LEN];

    (void) ngx_sip_uri(&msg->uri, &uri);

    if (!ngx_sip_is_hosted(conn, &uri.host)) {
        ngx_sip_refuse(conn, msg, 404, NULL);
        return;
    }

    if (ngx_sip_unsupported(msg, buf, &row) != NGX_OK) {
        refusal.status = 420;
        refusal.reason = NULL;
        refusal.headers = row;

        key = ngx_sip_server_key(conn, msg, &msg->method_name);

        ngx_sip_respond(conn, msg, &key, &refusal);
        return;
    }

    if (ngx_sip_looped(conn, msg)) {
        ngx_sip_refuse(conn, msg, 482, NULL);
        return;
    }

    fcf = conn->ctx->conf;

    row = ngx_sip_accept_row(fcf->chatstates != NGX_CONF_UNSET_UINT
                             && fcf->chatstates != NGX_FED_CHATSTATES_OFF,
                             fcf->receipts);

    *ngx_snprintf(buf, sizeof(buf) - 1, "%s"
                                        NGX_SIP_ALLOW_EVENTS_ROW
                                        "%V"
                                        NGX_SIP_ACCEPT_PRESENCE
                                        "Accept-Encoding: identity" CRLF
                                        "Accept-Language: en" CRLF
                                        "Supported:" CRLF, allow, &row) = '\0';

    ngx_sip_refuse(conn, msg, 200, (char *) buf);
}


static ngx_uint_t
ngx_sip_is_hosted(ngx_sip_conn_t *conn, ngx_str_t *host)
{
    ngx_str_t          name;
    ngx_fed_conf_t    *fcf;
    ngx_connection_t  *c;
    u_char             buf[256], local[NGX_SOCKADDR_STRLEN];

    fcf = conn->ctx->conf;

    if (host->len == 0 || host->len > sizeof(buf)) {
        return 0;
    }

    name.data = buf;
    name.len = host->len;

    ngx_strlow(buf, host->data, host->len);

    if (buf[0] == '[') {
        name.data++;
        name.len -= 2;

    } else if (buf[name.len - 1] == '.') {
        name.len--;
    }

    if (name.len == fcf->host.len
        && ngx_strncasecmp(name.data, fcf->host.data, name.len) == 0)
    {
        return 1;
    }

    if (ngx_fed_domain_find(fcf, &name, fcf->xmpp)->leg == fcf->xmpp) {
        return 1;
    }

    c = conn->link->connection;

    return ngx_connection_local_sockaddr(c, NULL, 0) == NGX_OK
           && ngx_sock_ntop(c->local_sockaddr, c->local_socklen, local,
                            NGX_SOCKADDR_STRLEN, 0)
              == name.len
           && ngx_memcmp(local, name.data, name.len) == 0;
}


/* RFC 3428, 7 */

static void
ngx_sip_im(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_int_t           rc;
    ngx_fed_key_t       key, merge_key;
    ngx_fed_event_t    *ev;
    ngx_sip_refusal_t   refusal;

    ev = ngx_sip_begin(conn, msg, NGX_FED_MESSAGE, &key);

    if (ev == NULL) {
        return;
    }

    ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));

    merge_key = ngx_sip_server_merge_key(conn, msg);

    rc = ngx_sip_users(conn, msg, ev, &refusal);

    /* there are no dialogs to be within (RFC 3261, 12.2.2) */

    if (rc == NGX_OK && msg->to.tag.len) {
        refusal.status = 481;
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK && ngx_sip_server_merged(conn->ctx, &merge_key)) {
        refusal.status = 482;
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        rc = ngx_sip_dialects[ev->from_domain->dialect]->read(conn->ctx, msg,
                                                              ev, &refusal);
    }

    if (rc == NGX_OK && ev->kind != NGX_FED_MESSAGE) {
        ngx_sip_im_status(conn, msg, &key, ev);
        return;
    }

    if (rc == NGX_OK
        && ngx_sip_server_create(conn, msg, &key, &merge_key, ev) == NGX_OK)
    {
        ngx_sip_peer_alias(conn, msg, &ev->from.domain, ev->from_domain);

        ngx_sip_composing_content(ev);
        ngx_fed_event_submit(ev);
        return;
    }

    ngx_sip_reject(conn, msg, &key, ev, &refusal);
}


/*
 * Takes an event of what accompanies messages, which is answered at once, as
 * nobody is to hear of what becomes of it.
 */

void
ngx_sip_im_status(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_fed_event_t *ev)
{
    ngx_sip_refusal_t  answer;

    ngx_memzero(&answer, sizeof(ngx_sip_refusal_t));

    answer.status = 200;

    ngx_sip_peer_alias(conn, msg, &ev->from.domain, ev->from_domain);
    ngx_sip_server_answer(conn, msg, key, &answer);

    if (ev->kind == NGX_FED_COMPOSING) {
        ngx_sip_composing_received(ev);
        return;
    }

    if (ev->receipt == NGX_FED_NO_RECEIPT) {
        ngx_fed_event_drop(ev);
        return;
    }

    ngx_fed_event_submit(ev);
}


/*
 * Takes a request up: sets the key of its transaction, and returns an event of
 * the kind.  Returns NULL if it is answered: it was repeated, or there is no
 * memory (RFC 3261, 17.2.3).
 */

ngx_fed_event_t *
ngx_sip_begin(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg, ngx_fed_kind_e kind,
    ngx_fed_key_t *key)
{
    ngx_fed_event_t    *ev;
    ngx_sip_known_t    *known;
    ngx_sip_refusal_t   refusal;

    *key = ngx_sip_server_key(conn, msg, &msg->method_name);

    known = ngx_sip_server_find(conn->ctx, key);

    if (known) {
        ngx_sip_server_repeat(conn, msg, known);
        return NULL;
    }

    ev = ngx_fed_event_create(conn->link, &ngx_sip_leg, kind);

    if (ev == NULL) {
        ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));

        refusal.status = 500;
        ngx_sip_respond(conn, msg, key, &refusal);
    }

    return ev;
}


/*
 * Answers a request that there is no transaction for, logs why, and drops its
 * event, unless it waits.  Without a status it is 500, as there was no memory.
 */

void
ngx_sip_reject(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg, ngx_fed_key_t *key,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal)
{
    u_char     from_buf[256], to_buf[256];
    ngx_str_t  from, to;

    if (refusal->parked) {
        return;
    }

    if (refusal->status == 0) {
        refusal->status = 500;
    }

    from = ngx_fed_text_log(from_buf, sizeof(from_buf), &msg->from.uri);
    to = ngx_fed_text_log(to_buf, sizeof(to_buf), &msg->to.uri);

    ngx_log_error(NGX_LOG_INFO, conn->link->log, 0,
                  "SIP %V is refused by %ui %s: from \"%V\" to \"%V\"",
                  &msg->method_name, refusal->status,
                  refusal->reason ? refusal->reason
                      : (char *) ngx_fed_error_reason(refusal->status)->data,
                  &from, &to);

    ngx_sip_respond(conn, msg, key, refusal);

    if (refusal->result) {
        ev->told = 1;
        ngx_fed_event_fail(ev, refusal->result, refusal->reason);
        return;
    }

    ngx_fed_event_drop(ev);
}


/*
 * Reads into an event who sends to whom, and checks what is ahead of the
 * content: whether the peer may speak for the sender, hops, extensions, loops
 * (RFC 3261, 8.2), and whether we are the way to the recipient, for which the
 * request may have to wait.  Returns NGX_OK, NGX_DECLINED with the refusal
 * filled in, which ngx_sip_reject() takes, or NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_users(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg, ngx_fed_event_t *ev,
    ngx_sip_refusal_t *refusal)
{
    u_char          *buf;
    ngx_int_t        rc;
    ngx_str_t       *to;
    ngx_uint_t       within;
    ngx_fed_conf_t  *fcf;

    static const ngx_uint_t  statuses[] = { 0, 400, 416, 480, 404 };

    fcf = conn->ctx->conf;

    /* within a dialog the Request-URI may be our Contact, see ngx_sip_rows_t */

    to = (msg->to.tag.len && ngx_sip_is_us(conn->ctx, &msg->uri))
         ? &msg->to.uri : &msg->uri;

    rc = ngx_fed_address_from_sip(ev->pool, to, &ev->to);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        refusal->status = statuses[rc];
        return NGX_DECLINED;
    }

    ev->to_domain = ngx_fed_domain_find(fcf, &ev->to.domain, fcf->xmpp);

    within = (msg->to.tag.len || msg->method == NGX_SIP_ACK);

    if (ev->to_domain->leg != fcf->xmpp
        && (within || ev->to_domain->leg != fcf->sip))
    {
        refusal->status = 404;
        refusal->reason = "Domain Is Not Federated";
        return NGX_DECLINED;
    }

    if (ev->to.user.len == 0) {
        refusal->status = 404;
        return NGX_DECLINED;
    }

    /* to cross is to be forwarded (RFC 3261, 16.3) */

    if (msg->max_forwards == 0) {
        refusal->status = 483;
        return NGX_DECLINED;
    }

    rc = ngx_sip_users_from(conn, msg, ev, refusal);

    if (rc == NGX_OK && !within) {
        rc = ngx_sip_users_route(conn, msg, ev, refusal);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_sip_header(msg, NGX_SIP_REQUIRE)) {

        buf = ngx_pnalloc(ev->pool, NGX_SIP_UNSUPPORTED_LEN);
        if (buf == NULL) {
            return NGX_ERROR;
        }

        if (ngx_sip_unsupported(msg, buf, &refusal->headers) != NGX_OK) {
            refusal->status = 420;
            return NGX_DECLINED;
        }
    }

    if (ngx_sip_looped(conn, msg)) {
        refusal->status = 482;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * Who sends must be of a domain that this peer may speak for (RFC 5922, 7.4;
 * RFC 7247, 8).
 */

static ngx_int_t
ngx_sip_users_from(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal)
{
    u_char           safe[256], list[512];
    ngx_int_t        rc;
    ngx_str_t        from, names;
    ngx_uint_t       level;
    const char      *why;
    ngx_fed_conf_t  *fcf;

    fcf = conn->ctx->conf;

    rc = ngx_fed_address_from_sip(ev->pool, &msg->from.uri, &ev->from);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_FED_ADDRESS_SYNTAX) {
        refusal->status = 400;
        refusal->reason = "Bad From";
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        why = "it has no form on the XMPP side";
        goto refused;
    }

    ev->from_domain = ngx_fed_domain_find(fcf, &ev->from.domain, fcf->sip);

    if (ev->from_domain->leg == fcf->xmpp) {
        why = "the domain is on the XMPP side";
        goto refused;
    }

    if (ev->from_domain->leg != fcf->sip) {
        why = "the domain is not federated, see \"sip_domain\" and \"default\"";
        goto refused;
    }

    why = NULL;

    rc = ngx_sip_may_speak(conn, &ev->from.domain, ev->from_domain, &why);

    if (rc != NGX_DECLINED) {
        return rc;
    }

refused:

    from = ngx_fed_text_log(safe, sizeof(safe), &msg->from.uri);
    names = ngx_sip_identity_log(conn, list, sizeof(list));

    level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_SENDER, &ev->from.domain,
                                NGX_LOG_ERR);

    ngx_log_error(level, conn->link->log, 0,
                  "SIP request from \"%V\" is refused: %s; names in the "
                  "certificate of the peer: %V", &from, why, &names);

    refusal->status = 403;

    return NGX_DECLINED;
}


/*
 * Is this gateway the way?  Not to a domain that is on the SIP side, too, which
 * the sender's server is to reach itself.
 */

static ngx_int_t
ngx_sip_users_route(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal)
{
    ngx_fed_outcome_t   outcome;
    ngx_fed_outcome_e   result;
    ngx_fed_event_t    *parked;

    parked = conn->ctx->parked;

    if (parked) {
        ev->speaks = parked->speaks;
        ev->looked_up = 1;
    }

    result = ngx_fed_event_route(ev, &refusal->reason);

    if (result == NGX_FED_PENDING) {
        return ngx_sip_park(conn, msg, ev, refusal);
    }

    if (result == NGX_FED_ACCEPTED) {
        return NGX_OK;
    }

    if (result == NGX_FED_REFUSED) {
        refusal->reason = NULL;

        /* who may cross is for policy to say, in its turn */

        if (ev->to_domain->leg == ev->target) {
            return NGX_OK;
        }

        refusal->status = 404;
        return NGX_DECLINED;
    }

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

    outcome.result = result;

    refusal->result = result;
    refusal->status = ngx_fed_error_status(&outcome, 0);

    return NGX_DECLINED;
}


/*
 * Lists in a row of Unsupported what a request requires (RFC 3261, 8.2.2.3):
 * no extension is known, but some require that of lists (RFC 4662, 4.3) for a
 * NOTIFY about one user (ocs-wire, 4.1).  Returns NGX_DECLINED if there is one.
 */

static ngx_int_t
ngx_sip_unsupported(ngx_sip_msg_t *msg, u_char *dst, ngx_str_t *row)
{
    u_char            *p, *pos, *end, *last;
    ngx_str_t          tag;
    ngx_uint_t         notify;
    ngx_sip_header_t  *h;

    notify = (msg->method == NGX_SIP_NOTIFY || msg->method == NGX_SIP_BENOTIFY);

    p = ngx_cpymem(dst, "Unsupported: ", sizeof("Unsupported: ") - 1);
    end = p;
    last = dst + NGX_SIP_UNSUPPORTED_LEN;

    h = ngx_sip_header(msg, NGX_SIP_REQUIRE);

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {

        pos = h->value.data;

        while (ngx_sip_item(&pos, h->value.data + h->value.len, &tag)
               == NGX_OK)
        {
            if (!ngx_sip_is_token(tag.data, tag.len)
                || (size_t) (last - p) < tag.len + sizeof(", " CRLF)
                || (notify && ngx_sip_is(&tag, "eventlist")))
            {
                continue;
            }

            if (p != end) {
                *p++ = ',';
                *p++ = ' ';
            }

            p = ngx_cpymem(p, tag.data, tag.len);
        }
    }

    if (p == end) {
        ngx_str_null(row);
        return NGX_OK;
    }

    *p++ = CR;
    *p++ = LF;

    row->data = dst;
    row->len = p - dst;

    return NGX_DECLINED;
}


/*
 * A request with a Via of ours has come back (RFC 3261, 16.3, RFC 5393, 4.2):
 * each of our requests is made anew, so that it can not be a spiral.
 */

static ngx_uint_t
ngx_sip_looped(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    u_char            *p, *last;
    ngx_fed_id_t       id;
    ngx_sip_via_t      via;
    ngx_sip_header_t  *h;

    if (msg->nvias == 1) {
        return ngx_sip_via_is_ours(conn->ctx, &msg->via, &id);
    }

    h = ngx_sip_header(msg, NGX_SIP_VIA);

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {

        p = h->value.data;
        last = p + h->value.len;

        while (p < last && ngx_sip_via(&p, last, &via) == NGX_OK) {

            if (ngx_sip_via_is_ours(conn->ctx, &via, &id)) {
                return 1;
            }

            p++;
        }
    }

    return 0;
}
