
/*
 * Tests of ngx_fed_error.c: rules ERR, both tables row by row.
 */


#include "unit.h"
#include "ngx_fed_error.h"


typedef struct {
    const char         *row;       /* how it begins in the table */
    ngx_fed_outcome_e   result;
} error_local_t;


static error_local_t  to_xmpp[] = {
    { "(local) DNS failure", NGX_FED_NO_DOMAIN },
    { "(local) DNS failure", NGX_FED_NO_DNS },
    { "(local) connect or TLS failure", NGX_FED_NO_LINK },
    { "(local) Timer F or Timer B", NGX_FED_TIMEOUT },
    { "(local) message too large", NGX_FED_TOO_LARGE },
    { "(local) queue overflow", NGX_FED_QUEUE_FULL },
    { "(local) unmappable JID", NGX_FED_UNMAPPABLE }
};


static error_local_t  to_sip[] = {
    { "(stream) host-unknown", NGX_FED_HOST_UNKNOWN },
    { "(s2s) DNS NXDOMAIN", NGX_FED_NO_DOMAIN },
    { "(s2s) DNS SERVFAIL", NGX_FED_NO_DNS },
    { "(s2s) connect", NGX_FED_NO_LINK },
    { "(s2s) dialback type=invalid", NGX_FED_DIALBACK_INVALID },
    { "(s2s) dialback type=error", NGX_FED_DIALBACK_ERROR },
    { "(s2s) peer limit exceeded", NGX_FED_TOO_LARGE },
    { "(local) rate limit", NGX_FED_RATE }
};


static ngx_fed_outcome_t
outcome(ngx_fed_outcome_e result)
{
    ngx_fed_outcome_t  out;

    memset(&out, 0, sizeof(out));
    out.result = result;

    return out;
}


static void
check_condition(ngx_fed_outcome_t *out, char **row, const char *name)
{
    ngx_str_t                expected;
    ngx_fed_stanza_error_t   error;

    error = ngx_fed_error_condition(out);

    expected = unit_string(row[2]);
    unit_is(ngx_fed_error_condition_name(error.condition), &expected,
            "ERR-01 %s: condition", name);

    expected = unit_string(row[3]);
    unit_is(ngx_fed_error_type_name(error.type), &expected,
            "ERR-01 %s: type", name);
}


static void
test_sip_to_xmpp(const char *dir)
{
    char                    **row;
    ngx_str_t                 expected;
    ngx_uint_t                i, k, found;
    unit_table_t              table;
    ngx_fed_outcome_t         out;
    ngx_fed_stanza_error_t    error;

    unit_table(&table, dir, "error_sip_to_xmpp.tsv");

    for (i = 0; i < table.nrows; i++) {
        row = table.rows[i].column;
        found = 0;

        if (row[0][0] == '(') {
            for (k = 0; k < sizeof(to_xmpp) / sizeof(to_xmpp[0]); k++) {
                if (strncmp(row[0], to_xmpp[k].row, strlen(to_xmpp[k].row))
                    == 0)
                {
                    out = outcome(to_xmpp[k].result);
                    check_condition(&out, row, row[0]);
                    found = 1;
                }
            }

            unit_ok(found, "%s: has a result", row[0]);
            continue;
        }

        out = outcome(NGX_FED_SIP_STATUS);

        if (row[0][1] == 'x') {
            out.status = (row[0][0] - '0') * 100 + 99;

        } else {
            out.status = atoi(row[0]);

            expected = unit_string(row[1]);
            unit_is(ngx_fed_error_reason(out.status), &expected, "%s: reason",
                    row[0]);
        }

        if (out.status < 400) {
            out.address = unit_string("sip:r2@s.test");
        }

        check_condition(&out, row, row[0]);

        error = ngx_fed_error_condition(&out);
        found = (out.status < 400 && out.status != 305 && out.status != 380);
        unit_ok(error.address == found, "ERR-06 %s: %s address", row[0],
                found ? "carries its" : "has no");

        if (out.status >= 400) {
            out.retry_after = 30;
            error = ngx_fed_error_condition(&out);
            unit_ok(error.type == NGX_FED_TYPE_WAIT,
                    "ERR-22 %s: Retry-After", row[0]);
        }
    }

    unit_ok(table.nrows > 70, "rows of the table");
    unit_table_free(&table);

    /* without an address */

    out = outcome(NGX_FED_SIP_STATUS);
    out.status = 301;
    error = ngx_fed_error_condition(&out);
    unit_ok(error.condition == NGX_FED_ITEM_NOT_FOUND
            && error.type == NGX_FED_TYPE_CANCEL && !error.address,
            "ERR-07 301 without Contact");

    out.status = 302;
    error = ngx_fed_error_condition(&out);
    unit_ok(error.condition == NGX_FED_RECIPIENT_UNAVAILABLE
            && !error.address, "ERR-07 302 without Contact");

    out.status = 300;
    error = ngx_fed_error_condition(&out);
    unit_ok(error.condition == NGX_FED_REDIRECT && !error.address,
            "ERR-08 300 without Contact");

    out = outcome(NGX_FED_REFUSED);
    error = ngx_fed_error_condition(&out);
    unit_ok(error.condition == NGX_FED_FORBIDDEN
            && error.type == NGX_FED_TYPE_AUTH, "refused is forbidden");

    out = outcome(NGX_FED_RATE);
    error = ngx_fed_error_condition(&out);
    unit_ok(error.condition == NGX_FED_POLICY_VIOLATION
            && error.type == NGX_FED_TYPE_WAIT, "rate is policy-violation");

    /* what is no final response of use */

    for (i = 0; i < 1200; i++) {
        out = outcome(NGX_FED_SIP_STATUS);
        out.status = i;
        error = ngx_fed_error_condition(&out);

        if (error.condition == NGX_FED_NO_CONDITION
            || error.condition >= NGX_FED_CONDITIONS
            || ngx_fed_error_reason(i)->len == 0)
        {
            unit_ok(0, "ERR-02 status %u", (unsigned) i);
        }
    }

    found = 0;

    for (i = 0; i < 700; i++) {
        out.status = i;
        found += ngx_fed_error_reveals(&out);
    }

    unit_ok(found == 6, "ERR-24 six codes reveal who is there");
}


static void
check_status(ngx_fed_outcome_t *out, char **row)
{
    char        *slash;
    ngx_uint_t   full, bare, status;

    full = atoi(row[4]);
    slash = strstr(row[4], " / ");
    bare = slash ? (ngx_uint_t) atoi(slash + 3) : full;

    if (strncmp(row[2], "301", 3) == 0) {
        out->address = unit_string("sip:new@x.test");
        unit_ok(ngx_fed_error_status(out, 0) == 301, "ERR-11 %s", row[0]);

        ngx_str_null(&out->address);
        unit_ok(ngx_fed_error_status(out, 0) == 410, "ERR-12 %s", row[0]);
        return;
    }

    if (full == 302) {
        out->address = unit_string("sip:new@x.test");
        unit_ok(ngx_fed_error_status(out, 0) == 302, "ERR-10 %s", row[0]);

        ngx_str_null(&out->address);
        unit_ok(ngx_fed_error_status(out, 0) == 480, "%s: no address",
                row[0]);
        return;
    }

    if (bare == 504 && full == 404) {
        out->type = NGX_FED_TYPE_CANCEL;
        unit_ok(ngx_fed_error_status(out, 0) == 404, "ERR-15 %s: cancel",
                row[0]);

        out->type = NGX_FED_TYPE_WAIT;
        unit_ok(ngx_fed_error_status(out, 0) == 504, "ERR-15 %s: wait",
                row[0]);
        return;
    }

    status = ngx_fed_error_status(out, NGX_FED_TO_FULL);
    unit_ok(status == full, "ERR-13 %s: full JID: %u", row[0],
            (unsigned) status);

    status = ngx_fed_error_status(out, 0);
    unit_ok(status == bare, "ERR-13 %s: bare JID: %u", row[0],
            (unsigned) status);

    status = ngx_fed_error_status(out, NGX_FED_6XX_OFF);
    unit_ok(status == (bare >= 600 ? full : bare), "ERR-13 %s: no 6xx: %u",
            row[0], (unsigned) status);
}


static void
test_xmpp_to_sip(const char *dir)
{
    char                **row;
    u_char               *name;
    size_t                len;
    ngx_str_t             expected;
    ngx_uint_t            i, k, found, order;
    unit_table_t          table;
    ngx_fed_outcome_t     out;
    ngx_fed_condition_e   condition;

    unit_table(&table, dir, "error_xmpp_to_sip.tsv");

    order = 0;

    for (i = 0; i < table.nrows; i++) {
        row = table.rows[i].column;

        if (strncmp(row[0], "(s", 2) == 0 || strncmp(row[0], "(l", 2) == 0) {
            found = 0;

            for (k = 0; k < sizeof(to_sip) / sizeof(to_sip[0]); k++) {
                if (strncmp(row[0], to_sip[k].row, strlen(to_sip[k].row))
                    == 0)
                {
                    out = outcome(to_sip[k].result);
                    unit_ok(ngx_fed_error_status(&out, 0)
                            == (ngx_uint_t) atoi(row[4]), "%s", row[0]);
                    found = 1;
                }
            }

            unit_ok(found, "%s: has a result", row[0]);
            continue;
        }

        out = outcome(NGX_FED_STANZA_ERROR);

        if (row[0][0] == '(') {
            out.condition = NGX_FED_NO_CONDITION;

        } else {
            name = (u_char *) row[0];
            len = strcspn(row[0], " ");

            condition = ngx_fed_error_condition_find(name, len);
            out.condition = condition;

            if (row[0][len] == '\0') {
                unit_ok(condition == ++order, "%s: is found", row[0]);

                expected = unit_string(row[0]);
                unit_is(ngx_fed_error_condition_name(condition), &expected,
                        "%s: name", row[0]);

            } else {
                unit_ok(condition == NGX_FED_UNDEFINED_CONDITION,
                        "ERR-19 %s: is unknown", row[0]);
            }
        }

        out.type = ngx_fed_error_type_find((u_char *) row[1],
                                           strlen(row[1]));
        check_status(&out, row);
    }

    unit_ok(order == NGX_FED_CONDITIONS - 1, "all conditions");
    unit_table_free(&table);
}


static void
test_rules(void)
{
    ngx_str_t            expected;
    ngx_uint_t           result, condition, type, flags, status, bad;
    ngx_fed_outcome_t    out;

    static struct {
        ngx_fed_outcome_e   result;
        ngx_uint_t          status;
    } local[] = {
        { NGX_FED_REFUSED, 403 },
        { NGX_FED_QUEUE_FULL, 500 },
        { NGX_FED_UNMAPPABLE, 404 },
        { NGX_FED_TIMEOUT, 504 },
        { NGX_FED_INTERNAL, 500 }
    };

    for (result = 0; result < sizeof(local) / sizeof(local[0]); result++) {
        out = outcome(local[result].result);
        unit_ok(ngx_fed_error_status(&out, 0) == local[result].status,
                "status of a local %u", (unsigned) local[result].status);
    }

    /* ERR-14, ERR-15, ERR-16, with whatever comes */

    bad = 0;

    for (result = NGX_FED_STANZA_ERROR; result < NGX_FED_OUTCOMES; result++) {
        for (condition = 0; condition < NGX_FED_CONDITIONS; condition++) {
            for (type = 0; type <= NGX_FED_TYPE_WAIT; type++) {
                for (flags = 0; flags < 8; flags++) {
                    out = outcome(result);
                    out.condition = condition;
                    out.type = type;
                    out.address.len = flags >> 2;

                    status = ngx_fed_error_status(&out, flags & 3);

                    if (status < 300 || status > 699 || status == 503
                        || status == 408 || status == 401 || status == 407
                        || ((flags & NGX_FED_6XX_OFF) && status >= 600)
                        || ((flags & NGX_FED_TO_FULL) && status >= 600))
                    {
                        bad++;
                    }

                    if (ngx_fed_error_result_name(result)->len == 0) {
                        bad++;
                    }
                }
            }
        }
    }

    unit_ok(bad == 0, "ERR-14, ERR-15, ERR-16 never 503, 408, 401, 407");

    expected = unit_string("accepted");
    unit_is(ngx_fed_error_result_name(NGX_FED_ACCEPTED), &expected,
            "name of a result");

    expected = unit_string("internal");
    unit_is(ngx_fed_error_result_name(NGX_FED_INTERNAL), &expected,
            "name of the last result");

    expected = unit_string("OK");
    unit_is(ngx_fed_error_reason(200), &expected, "reason of 200");

    expected = unit_string("Server Failure");
    unit_is(ngx_fed_error_reason(599), &expected, "reason of 599");

    unit_ok(ngx_fed_error_condition_find((u_char *) "gon", 3)
            == NGX_FED_UNDEFINED_CONDITION, "ERR-19 part of a name");

    unit_ok(ngx_fed_error_type_find((u_char *) "WAIT", 4)
            == NGX_FED_TYPE_CANCEL, "unknown type is cancel");

    /* there and back, where the tables meet */

    out = outcome(NGX_FED_SIP_STATUS);
    out.status = 504;
    unit_ok(ngx_fed_error_condition(&out).condition
            == NGX_FED_REMOTE_SERVER_TIMEOUT, "C01 504 and back");
}


int
main(int argc, char **argv)
{
    const char  *dir;

    setvbuf(stdout, NULL, _IOLBF, 0);

    dir = argc > 1 ? argv[1] : ".";

    test_sip_to_xmpp(dir);
    test_xmpp_to_sip(dir);
    test_rules();

    return unit_done();
}
