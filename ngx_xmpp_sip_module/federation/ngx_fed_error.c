
/*
 * SIP status <-> stanza error condition (RFC 7247, 7).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_error.h"


/* what a choice between two codes goes by */

typedef enum {
    NGX_FED_BY_NONE = 0,
    NGX_FED_BY_RECIPIENT,      /* full JID: the first, bare: the second */
    NGX_FED_BY_ADDRESS,        /* a new address is given: the first */
    NGX_FED_BY_TYPE,           /* it may be tried again: the second */
    NGX_FED_BY_OPTION          /* unavailable_status: the second */
} ngx_fed_error_choice_e;


typedef struct {
    ngx_uint_t                    status;    /* or the class: 3 is 3xx */
    ngx_str_t                     reason;
    ngx_fed_condition_e           condition;
    ngx_fed_error_type_e          type;
} ngx_fed_error_status_t;


typedef struct {
    ngx_str_t                     name;
    ngx_uint_t                    first;
    ngx_uint_t                    second;
    ngx_fed_error_choice_e        choice;
} ngx_fed_error_condition_t;


typedef struct {
    ngx_str_t                     name;
    ngx_fed_condition_e           condition;
    ngx_fed_error_type_e          type;
    ngx_uint_t                    status;
} ngx_fed_error_result_t;


static void ngx_fed_error_redirection(ngx_fed_outcome_t *outcome,
    ngx_fed_stanza_error_t *error);
static ngx_fed_error_status_t *ngx_fed_error_find(ngx_uint_t status);


/*
 * RFC 7247, 7.2, table 3, and codes registered since; each class begins with
 * what its unlisted codes are taken for
 */

static ngx_fed_error_status_t  ngx_fed_error_statuses[] = {
    { 1, ngx_string("Provisional"),
      NGX_FED_NO_CONDITION, NGX_FED_TYPE_CANCEL },
    { 100, ngx_string("Trying"),
      NGX_FED_NO_CONDITION, NGX_FED_TYPE_CANCEL },

    { 2, ngx_string("Success"),
      NGX_FED_NO_CONDITION, NGX_FED_TYPE_CANCEL },
    { 200, ngx_string("OK"),
      NGX_FED_NO_CONDITION, NGX_FED_TYPE_CANCEL },
    { 202, ngx_string("Accepted"),
      NGX_FED_NO_CONDITION, NGX_FED_TYPE_CANCEL },

    { 3, ngx_string("Redirection"),
      NGX_FED_REDIRECT, NGX_FED_TYPE_MODIFY },
    { 300, ngx_string("Multiple Choices"),
      NGX_FED_REDIRECT, NGX_FED_TYPE_MODIFY },
    { 301, ngx_string("Moved Permanently"),
      NGX_FED_GONE, NGX_FED_TYPE_CANCEL },
    { 302, ngx_string("Moved Temporarily"),
      NGX_FED_REDIRECT, NGX_FED_TYPE_MODIFY },
    { 305, ngx_string("Use Proxy"),
      NGX_FED_REDIRECT, NGX_FED_TYPE_MODIFY },
    { 380, ngx_string("Alternative Service"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },

    { 4, ngx_string("Request Failure"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 400, ngx_string("Bad Request"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 401, ngx_string("Unauthorized"),
      NGX_FED_NOT_AUTHORIZED, NGX_FED_TYPE_AUTH },
    { 402, ngx_string("Payment Required"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 403, ngx_string("Forbidden"),
      NGX_FED_FORBIDDEN, NGX_FED_TYPE_AUTH },
    { 404, ngx_string("Not Found"),
      NGX_FED_ITEM_NOT_FOUND, NGX_FED_TYPE_CANCEL },
    { 405, ngx_string("Method Not Allowed"),
      NGX_FED_FEATURE_NOT_IMPLEMENTED, NGX_FED_TYPE_CANCEL },
    { 406, ngx_string("Not Acceptable"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },
    { 407, ngx_string("Proxy Authentication Required"),
      NGX_FED_REGISTRATION_REQUIRED, NGX_FED_TYPE_AUTH },
    { 408, ngx_string("Request Timeout"),
      NGX_FED_REMOTE_SERVER_TIMEOUT, NGX_FED_TYPE_WAIT },
    { 410, ngx_string("Gone"),
      NGX_FED_GONE, NGX_FED_TYPE_CANCEL },
    { 412, ngx_string("Conditional Request Failed"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 413, ngx_string("Request Entity Too Large"),
      NGX_FED_POLICY_VIOLATION, NGX_FED_TYPE_MODIFY },
    { 414, ngx_string("Request-URI Too Long"),
      NGX_FED_POLICY_VIOLATION, NGX_FED_TYPE_MODIFY },
    { 415, ngx_string("Unsupported Media Type"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },
    { 416, ngx_string("Unsupported URI Scheme"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },
    { 417, ngx_string("Unknown Resource-Priority"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 420, ngx_string("Bad Extension"),
      NGX_FED_FEATURE_NOT_IMPLEMENTED, NGX_FED_TYPE_CANCEL },
    { 421, ngx_string("Extension Required"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },
    { 422, ngx_string("Session Interval Too Small"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 423, ngx_string("Interval Too Brief"),
      NGX_FED_RESOURCE_CONSTRAINT, NGX_FED_TYPE_WAIT },
    { 424, ngx_string("Bad Location Information"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 425, ngx_string("Bad Alert Message"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 428, ngx_string("Use Identity Header"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 429, ngx_string("Provide Referrer Identity"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 430, ngx_string("Flow Failed"),
      NGX_FED_RECIPIENT_UNAVAILABLE, NGX_FED_TYPE_WAIT },
    { 433, ngx_string("Anonymity Disallowed"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 436, ngx_string("Bad Identity Info"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 437, ngx_string("Unsupported Credential"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 438, ngx_string("Invalid Identity Header"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 439, ngx_string("First Hop Lacks Outbound Support"),
      NGX_FED_FEATURE_NOT_IMPLEMENTED, NGX_FED_TYPE_CANCEL },
    { 440, ngx_string("Max-Breadth Exceeded"),
      NGX_FED_POLICY_VIOLATION, NGX_FED_TYPE_MODIFY },
    { 469, ngx_string("Bad Info Package"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 470, ngx_string("Consent Needed"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 480, ngx_string("Temporarily Unavailable"),
      NGX_FED_RECIPIENT_UNAVAILABLE, NGX_FED_TYPE_WAIT },
    { 481, ngx_string("Call/Transaction Does Not Exist"),
      NGX_FED_ITEM_NOT_FOUND, NGX_FED_TYPE_CANCEL },
    { 482, ngx_string("Loop Detected"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },
    { 483, ngx_string("Too Many Hops"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },
    { 484, ngx_string("Address Incomplete"),
      NGX_FED_ITEM_NOT_FOUND, NGX_FED_TYPE_CANCEL },
    { 485, ngx_string("Ambiguous"),
      NGX_FED_ITEM_NOT_FOUND, NGX_FED_TYPE_CANCEL },
    { 486, ngx_string("Busy Here"),
      NGX_FED_RECIPIENT_UNAVAILABLE, NGX_FED_TYPE_WAIT },
    { 487, ngx_string("Request Terminated"),
      NGX_FED_RECIPIENT_UNAVAILABLE, NGX_FED_TYPE_WAIT },
    { 488, ngx_string("Not Acceptable Here"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },
    { 489, ngx_string("Bad Event"),
      NGX_FED_POLICY_VIOLATION, NGX_FED_TYPE_MODIFY },
    { 491, ngx_string("Request Pending"),
      NGX_FED_UNEXPECTED_REQUEST, NGX_FED_TYPE_WAIT },
    { 493, ngx_string("Undecipherable"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },
    { 494, ngx_string("Security Agreement Required"),
      NGX_FED_BAD_REQUEST, NGX_FED_TYPE_MODIFY },

    { 5, ngx_string("Server Failure"),
      NGX_FED_INTERNAL_SERVER_ERROR, NGX_FED_TYPE_CANCEL },
    { 500, ngx_string("Server Internal Error"),
      NGX_FED_INTERNAL_SERVER_ERROR, NGX_FED_TYPE_CANCEL },
    { 501, ngx_string("Not Implemented"),
      NGX_FED_FEATURE_NOT_IMPLEMENTED, NGX_FED_TYPE_CANCEL },
    { 502, ngx_string("Bad Gateway"),
      NGX_FED_REMOTE_SERVER_NOT_FOUND, NGX_FED_TYPE_CANCEL },
    { 503, ngx_string("Service Unavailable"),
      NGX_FED_INTERNAL_SERVER_ERROR, NGX_FED_TYPE_CANCEL },
    { 504, ngx_string("Server Time-out"),
      NGX_FED_REMOTE_SERVER_TIMEOUT, NGX_FED_TYPE_WAIT },
    { 505, ngx_string("Version Not Supported"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },
    { 513, ngx_string("Message Too Large"),
      NGX_FED_POLICY_VIOLATION, NGX_FED_TYPE_MODIFY },
    { 555, ngx_string("Push Notification Service Not Supported"),
      NGX_FED_INTERNAL_SERVER_ERROR, NGX_FED_TYPE_CANCEL },
    { 580, ngx_string("Precondition Failure"),
      NGX_FED_INTERNAL_SERVER_ERROR, NGX_FED_TYPE_CANCEL },

    { 6, ngx_string("Global Failure"),
      NGX_FED_RECIPIENT_UNAVAILABLE, NGX_FED_TYPE_WAIT },
    { 600, ngx_string("Busy Everywhere"),
      NGX_FED_RECIPIENT_UNAVAILABLE, NGX_FED_TYPE_WAIT },
    { 603, ngx_string("Decline"),
      NGX_FED_RECIPIENT_UNAVAILABLE, NGX_FED_TYPE_WAIT },
    { 604, ngx_string("Does Not Exist Anywhere"),
      NGX_FED_ITEM_NOT_FOUND, NGX_FED_TYPE_CANCEL },
    { 606, ngx_string("Not Acceptable"),
      NGX_FED_NOT_ACCEPTABLE, NGX_FED_TYPE_MODIFY },
    { 607, ngx_string("Unwanted"),
      NGX_FED_RECIPIENT_UNAVAILABLE, NGX_FED_TYPE_WAIT },
    { 608, ngx_string("Rejected"),
      NGX_FED_RECIPIENT_UNAVAILABLE, NGX_FED_TYPE_WAIT }
};


/*
 * RFC 7247, 7.1, table 2, in the order of the enumeration.  408 is no answer
 * to a non-INVITE request (RFC 4320, 4.2): 504 stands for it; 401 and 407
 * would need a challenge (RFC 3261, 20.27 and 20.44): 403 does
 */

static ngx_fed_error_condition_t  ngx_fed_error_conditions[] = {
    { ngx_null_string, 400, 400, NGX_FED_BY_NONE },
    { ngx_string("bad-request"), 400, 400, NGX_FED_BY_NONE },
    { ngx_string("conflict"), 400, 400, NGX_FED_BY_NONE },
    { ngx_string("feature-not-implemented"), 405, 501, NGX_FED_BY_RECIPIENT },
    { ngx_string("forbidden"), 403, 603, NGX_FED_BY_RECIPIENT },
    { ngx_string("gone"), 301, 410, NGX_FED_BY_ADDRESS },
    { ngx_string("internal-server-error"), 500, 500, NGX_FED_BY_NONE },
    { ngx_string("item-not-found"), 404, 604, NGX_FED_BY_RECIPIENT },
    { ngx_string("jid-malformed"), 400, 400, NGX_FED_BY_NONE },
    { ngx_string("not-acceptable"), 406, 606, NGX_FED_BY_RECIPIENT },
    { ngx_string("not-allowed"), 403, 403, NGX_FED_BY_NONE },
    { ngx_string("not-authorized"), 403, 403, NGX_FED_BY_NONE },
    { ngx_string("policy-violation"), 403, 403, NGX_FED_BY_NONE },
    { ngx_string("recipient-unavailable"), 480, 600, NGX_FED_BY_RECIPIENT },
    { ngx_string("redirect"), 302, 480, NGX_FED_BY_ADDRESS },
    { ngx_string("registration-required"), 403, 403, NGX_FED_BY_NONE },
    { ngx_string("remote-server-not-found"), 404, 504, NGX_FED_BY_TYPE },
    { ngx_string("remote-server-timeout"), 504, 504, NGX_FED_BY_NONE },
    { ngx_string("resource-constraint"), 500, 500, NGX_FED_BY_NONE },
    { ngx_string("service-unavailable"), 403, 480, NGX_FED_BY_OPTION },
    { ngx_string("subscription-required"), 400, 400, NGX_FED_BY_NONE },
    { ngx_string("undefined-condition"), 400, 400, NGX_FED_BY_NONE },
    { ngx_string("unexpected-request"), 400, 400, NGX_FED_BY_NONE }
};


/*
 * what is decided here, in the order of the enumeration: the condition that an
 * XMPP sender is told and the status that a SIP sender is told (RFC 6120,
 * 10.4.3; XEP-0220, 2.1.1)
 */

static ngx_fed_error_result_t  ngx_fed_error_results[] = {
    { ngx_string("pending"),
      NGX_FED_INTERNAL_SERVER_ERROR, NGX_FED_TYPE_CANCEL, 500 },
    { ngx_string("accepted"),
      NGX_FED_NO_CONDITION, NGX_FED_TYPE_CANCEL, 200 },
    { ngx_string("sip status"),
      NGX_FED_NO_CONDITION, NGX_FED_TYPE_CANCEL, 0 },
    { ngx_string("stanza error"),
      NGX_FED_NO_CONDITION, NGX_FED_TYPE_CANCEL, 0 },

    { ngx_string("refused"),
      NGX_FED_FORBIDDEN, NGX_FED_TYPE_AUTH, 403 },
    { ngx_string("native"),
      NGX_FED_NOT_ALLOWED, NGX_FED_TYPE_CANCEL, 403 },
    { ngx_string("over rate"),
      NGX_FED_POLICY_VIOLATION, NGX_FED_TYPE_WAIT, 500 },
    { ngx_string("too large"),
      NGX_FED_POLICY_VIOLATION, NGX_FED_TYPE_MODIFY, 513 },
    { ngx_string("queue full"),
      NGX_FED_RESOURCE_CONSTRAINT, NGX_FED_TYPE_WAIT, 500 },
    { ngx_string("unmappable"),
      NGX_FED_JID_MALFORMED, NGX_FED_TYPE_MODIFY, 404 },
    { ngx_string("no domain"),
      NGX_FED_REMOTE_SERVER_NOT_FOUND, NGX_FED_TYPE_CANCEL, 404 },
    { ngx_string("no dns"),
      NGX_FED_REMOTE_SERVER_NOT_FOUND, NGX_FED_TYPE_CANCEL, 504 },
    { ngx_string("no link"),
      NGX_FED_REMOTE_SERVER_TIMEOUT, NGX_FED_TYPE_WAIT, 504 },
    { ngx_string("host unknown"),
      NGX_FED_REMOTE_SERVER_NOT_FOUND, NGX_FED_TYPE_CANCEL, 404 },
    { ngx_string("dialback invalid"),
      NGX_FED_INTERNAL_SERVER_ERROR, NGX_FED_TYPE_CANCEL, 500 },
    { ngx_string("dialback error"),
      NGX_FED_REMOTE_SERVER_TIMEOUT, NGX_FED_TYPE_WAIT, 504 },
    { ngx_string("timeout"),
      NGX_FED_REMOTE_SERVER_TIMEOUT, NGX_FED_TYPE_WAIT, 504 },
    { ngx_string("internal"),
      NGX_FED_INTERNAL_SERVER_ERROR, NGX_FED_TYPE_CANCEL, 500 }
};


/* RFC 6120, 8.3.2, in the order of the enumeration */

static ngx_str_t  ngx_fed_error_types[] = {
    ngx_string("cancel"),
    ngx_string("continue"),
    ngx_string("modify"),
    ngx_string("auth"),
    ngx_string("wait")
};


/*
 * Returns the stanza error that tells an XMPP sender of the outcome (RFC 7247,
 * 7.2), which is not NGX_FED_ACCEPTED.
 */

ngx_fed_stanza_error_t
ngx_fed_error_condition(ngx_fed_outcome_t *outcome)
{
    ngx_fed_error_result_t  *result;
    ngx_fed_error_status_t  *status;
    ngx_fed_stanza_error_t   error;

    error.address = 0;

    if (outcome->result == NGX_FED_STANZA_ERROR) {
        error.condition = outcome->condition;
        error.type = outcome->type;
        error.address = (outcome->address.len != 0);

        return error;
    }

    if (outcome->result != NGX_FED_SIP_STATUS) {
        result = &ngx_fed_error_results[outcome->result];

        error.condition = result->condition;
        error.type = result->type;

        return error;
    }

    status = ngx_fed_error_find(outcome->status);

    if (status == NULL || status->condition == NGX_FED_NO_CONDITION) {
        error.condition = NGX_FED_INTERNAL_SERVER_ERROR;
        error.type = NGX_FED_TYPE_CANCEL;

        return error;
    }

    error.condition = status->condition;
    error.type = status->type;

    if (outcome->status < 400) {
        ngx_fed_error_redirection(outcome, &error);

    } else if (outcome->retry_after) {

        /* the far side names a time to try again: RFC 6120, 8.3.2 */

        error.type = NGX_FED_TYPE_WAIT;
    }

    return error;
}


static void
ngx_fed_error_redirection(ngx_fed_outcome_t *outcome,
    ngx_fed_stanza_error_t *error)
{
    /* what 305 has is a proxy, which is nobody's business over there */

    error->address = (outcome->address.len && outcome->status != 305
                      && error->condition != NGX_FED_NOT_ACCEPTABLE);

    if (error->address) {
        return;
    }

    /* gone for 301 must have an address, RFC 7247, 7.2, note 1 */

    if (outcome->status == 301) {
        error->condition = NGX_FED_ITEM_NOT_FOUND;
        error->type = NGX_FED_TYPE_CANCEL;

    } else if (outcome->status == 302) {
        error->condition = NGX_FED_RECIPIENT_UNAVAILABLE;
        error->type = NGX_FED_TYPE_WAIT;
    }
}


/*
 * Returns the status that tells a SIP sender of the outcome of a non-INVITE
 * request (RFC 7247, 7.1); flags are NGX_FED_TO_FULL and the like.
 * With 301 and 302 outcome->address has to go into Contact, with 405 the
 * method must not be in Allow (RFC 3261, 21.4.6).
 */

ngx_uint_t
ngx_fed_error_status(ngx_fed_outcome_t *outcome, ngx_uint_t flags)
{
    ngx_uint_t                  first;
    ngx_fed_error_condition_t  *condition;

    if (outcome->result == NGX_FED_SIP_STATUS) {
        return outcome->status;
    }

    if (outcome->result != NGX_FED_STANZA_ERROR) {
        return ngx_fed_error_results[outcome->result].status;
    }

    condition = &ngx_fed_error_conditions[outcome->condition];

    switch (condition->choice) {

    case NGX_FED_BY_RECIPIENT:
        first = (flags & NGX_FED_TO_FULL)
                || ((flags & NGX_FED_6XX_OFF) && condition->second >= 600);
        break;

    case NGX_FED_BY_ADDRESS:
        first = (outcome->address.len != 0);
        break;

    case NGX_FED_BY_TYPE:
        first = (outcome->type != NGX_FED_TYPE_WAIT);
        break;

    case NGX_FED_BY_OPTION:
        first = !(flags & NGX_FED_UNAVAILABLE_480);
        break;

    default: /* NGX_FED_BY_NONE */
        first = 1;
        break;
    }

    return first ? condition->first : condition->second;
}


/*
 * Tells whether what the other side answered says if the recipient exists or
 * is there (RFC 6120, 8.3.3.5, 8.3.3.7, 8.3.3.13 and 8.3.3.19).  To those who
 * may not know all of these are service-unavailable of type cancel.
 */

ngx_uint_t
ngx_fed_error_reveals(ngx_fed_outcome_t *outcome)
{
    if (outcome->result == NGX_FED_STANZA_ERROR) {

        switch (outcome->condition) {

        case NGX_FED_GONE:
            return (outcome->address.len == 0);

        case NGX_FED_ITEM_NOT_FOUND:
        case NGX_FED_RECIPIENT_UNAVAILABLE:
        case NGX_FED_SERVICE_UNAVAILABLE:
            return 1;

        default:
            return 0;
        }
    }

    if (outcome->result != NGX_FED_SIP_STATUS) {
        return 0;
    }

    switch (outcome->status) {
    case 404:
    case 410:
    case 480:
    case 486:
    case 600:
    case 604:
        return 1;

    default:
        return 0;
    }
}


/*
 * Returns the reason phrase of a status, never NULL.
 */

ngx_str_t *
ngx_fed_error_reason(ngx_uint_t status)
{
    ngx_fed_error_status_t  *s;
    static ngx_str_t         unknown = ngx_string("Unknown");

    s = ngx_fed_error_find(status);

    return s ? &s->reason : &unknown;
}


/*
 * Returns the name of the element that stands for a condition (RFC 6120,
 * 8.3.3), never NULL; undefined-condition if there is none.
 */

ngx_str_t *
ngx_fed_error_condition_name(ngx_fed_condition_e condition)
{
    if (condition == NGX_FED_NO_CONDITION) {
        condition = NGX_FED_UNDEFINED_CONDITION;
    }

    return &ngx_fed_error_conditions[condition].name;
}


/*
 * Finds a condition by the name of its element; one that is not known is
 * undefined-condition (RFC 6120, 8.3.2).
 */

ngx_fed_condition_e
ngx_fed_error_condition_find(u_char *name, size_t len)
{
    ngx_str_t   *s;
    ngx_uint_t   i;

    for (i = NGX_FED_NO_CONDITION + 1; i < NGX_FED_CONDITIONS; i++) {
        s = &ngx_fed_error_conditions[i].name;

        if (s->len == len && ngx_memcmp(s->data, name, len) == 0) {
            return i;
        }
    }

    return NGX_FED_UNDEFINED_CONDITION;
}


/*
 * Returns the value of the type attribute, never NULL.
 */

ngx_str_t *
ngx_fed_error_type_name(ngx_fed_error_type_e type)
{
    return &ngx_fed_error_types[type];
}


/*
 * Finds an error type by the value of the attribute; one that is not known is
 * cancel, after which nothing is tried again.
 */

ngx_fed_error_type_e
ngx_fed_error_type_find(u_char *name, size_t len)
{
    ngx_str_t   *s;
    ngx_uint_t   i;

    for (i = NGX_FED_TYPE_CANCEL; i <= NGX_FED_TYPE_WAIT; i++) {
        s = &ngx_fed_error_types[i];

        if (s->len == len && ngx_memcmp(s->data, name, len) == 0) {
            return i;
        }
    }

    return NGX_FED_TYPE_CANCEL;
}


/*
 * Returns the name of a result for logs and variables, never NULL.
 */

ngx_str_t *
ngx_fed_error_result_name(ngx_fed_outcome_e result)
{
    return &ngx_fed_error_results[result].name;
}


static ngx_fed_error_status_t *
ngx_fed_error_find(ngx_uint_t status)
{
    ngx_uint_t               i, n;
    ngx_fed_error_status_t  *s, *class;

    s = ngx_fed_error_statuses;
    n = sizeof(ngx_fed_error_statuses) / sizeof(ngx_fed_error_status_t);
    class = NULL;

    for (i = 0; i < n; i++) {

        if (s[i].status == status) {
            return status < 100 ? NULL : &s[i];
        }

        if (s[i].status == status / 100) {
            class = &s[i];
        }
    }

    return class;
}
