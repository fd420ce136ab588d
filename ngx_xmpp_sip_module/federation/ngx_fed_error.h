
/*
 * What becomes of an event: accepted, or refused with an error that either
 * protocol can express (RFC 7247, 7).
 */


#ifndef _NGX_FED_ERROR_H_INCLUDED_
#define _NGX_FED_ERROR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* stanza error conditions, RFC 6120, 8.3.3; the order is that of the RFC */

typedef enum {
    NGX_FED_NO_CONDITION = 0,
    NGX_FED_BAD_REQUEST,
    NGX_FED_CONFLICT,
    NGX_FED_FEATURE_NOT_IMPLEMENTED,
    NGX_FED_FORBIDDEN,
    NGX_FED_GONE,
    NGX_FED_INTERNAL_SERVER_ERROR,
    NGX_FED_ITEM_NOT_FOUND,
    NGX_FED_JID_MALFORMED,
    NGX_FED_NOT_ACCEPTABLE,
    NGX_FED_NOT_ALLOWED,
    NGX_FED_NOT_AUTHORIZED,
    NGX_FED_POLICY_VIOLATION,
    NGX_FED_RECIPIENT_UNAVAILABLE,
    NGX_FED_REDIRECT,
    NGX_FED_REGISTRATION_REQUIRED,
    NGX_FED_REMOTE_SERVER_NOT_FOUND,
    NGX_FED_REMOTE_SERVER_TIMEOUT,
    NGX_FED_RESOURCE_CONSTRAINT,
    NGX_FED_SERVICE_UNAVAILABLE,
    NGX_FED_SUBSCRIPTION_REQUIRED,
    NGX_FED_UNDEFINED_CONDITION,
    NGX_FED_UNEXPECTED_REQUEST,
    NGX_FED_CONDITIONS
} ngx_fed_condition_e;


typedef enum {
    NGX_FED_TYPE_CANCEL = 0,
    NGX_FED_TYPE_CONTINUE,
    NGX_FED_TYPE_MODIFY,
    NGX_FED_TYPE_AUTH,
    NGX_FED_TYPE_WAIT
} ngx_fed_error_type_e;


/* where an outcome comes from */

typedef enum {
    NGX_FED_PENDING = 0,
    NGX_FED_ACCEPTED,          /* the far side took it */
    NGX_FED_SIP_STATUS,        /* a final response of the SIP side */
    NGX_FED_STANZA_ERROR,      /* a stanza error of the XMPP side */

    /* decided here; each is a row of both tables */

    NGX_FED_REFUSED,           /* policy: deny, default, permit, no home */
    NGX_FED_NATIVE,            /* both domains are on the same side */
    NGX_FED_RATE,              /* over rate= or user_rate= */
    NGX_FED_TOO_LARGE,         /* over message_size= or the peer's limit */
    NGX_FED_QUEUE_FULL,
    NGX_FED_UNMAPPABLE,        /* the address has no form over there */
    NGX_FED_NO_DOMAIN,         /* DNS: no such domain, or target "." */
    NGX_FED_NO_DNS,            /* DNS: no answer in time, or SERVFAIL */
    NGX_FED_NO_LINK,           /* connect, TLS, SASL or stream failed */
    NGX_FED_HOST_UNKNOWN,      /* stream error host-unknown, host-gone */
    NGX_FED_DIALBACK_INVALID,
    NGX_FED_DIALBACK_ERROR,    /* type=error, or closed during dialback */
    NGX_FED_TIMEOUT,           /* no final answer, or an uncertain one */
    NGX_FED_INTERNAL,          /* no memory and the like */
    NGX_FED_OUTCOMES
} ngx_fed_outcome_e;


typedef struct {
    ngx_fed_outcome_e             result;
    ngx_fed_condition_e           condition;    /* with STANZA_ERROR */
    ngx_fed_error_type_e          type;         /* with STANZA_ERROR */
    ngx_uint_t                    status;       /* with SIP_STATUS */
    ngx_uint_t                    retry_after;  /* seconds, 0: not given */
    ngx_str_t                     text;         /* human-readable, or empty */
    ngx_str_t                     address;      /* of gone, redirect, 3xx: URI
                                                   or IRI as received */
} ngx_fed_outcome_t;


typedef struct {
    ngx_fed_condition_e           condition;
    ngx_fed_error_type_e          type;
    ngx_uint_t                    address;      /* the outcome's address goes
                                                   into gone or redirect */
} ngx_fed_stanza_error_t;


/* what the far side's request was, for the choice between two codes */

#define NGX_FED_TO_FULL           0x01   /* addressed to a full JID */
#define NGX_FED_6XX_OFF           0x02   /* never a 6xx: use its 4xx twin */
#define NGX_FED_UNAVAILABLE_480   0x04   /* for service-unavailable */


ngx_fed_stanza_error_t ngx_fed_error_condition(ngx_fed_outcome_t *outcome);
ngx_uint_t ngx_fed_error_status(ngx_fed_outcome_t *outcome, ngx_uint_t flags);
ngx_uint_t ngx_fed_error_reveals(ngx_fed_outcome_t *outcome);

ngx_str_t *ngx_fed_error_reason(ngx_uint_t status);
ngx_str_t *ngx_fed_error_condition_name(ngx_fed_condition_e condition);
ngx_fed_condition_e ngx_fed_error_condition_find(u_char *name, size_t len);
ngx_str_t *ngx_fed_error_type_name(ngx_fed_error_type_e type);
ngx_fed_error_type_e ngx_fed_error_type_find(u_char *name, size_t len);
ngx_str_t *ngx_fed_error_result_name(ngx_fed_outcome_e result);


#endif /* _NGX_FED_ERROR_H_INCLUDED_ */
