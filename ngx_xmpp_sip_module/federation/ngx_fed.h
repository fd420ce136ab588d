
/*
 * The middle, as the legs and the front door see it.
 */


#ifndef _NGX_FED_H_INCLUDED_
#define _NGX_FED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed_address.h"
#include "ngx_fed_text.h"
#include "ngx_fed_xml.h"
#include "ngx_fed_hash.h"
#include "ngx_fed_presence.h"
#include "ngx_fed_error.h"
#include "ngx_fed_event.h"
#include "ngx_fed_domain.h"
#include "ngx_fed_auto.h"
#include "ngx_fed_watch.h"
#include "ngx_fed_session.h"
#include "ngx_fed_zone.h"
#include "ngx_fed_roster.h"
#include "ngx_fed_state.h"
#include "ngx_fed_upgrade.h"
#include "ngx_fed_conf.h"
#include "ngx_fed_cert.h"
#include "ngx_fed_link.h"
#include "ngx_fed_dial.h"
#include "ngx_fed_timer.h"
#include "ngx_fed_quiet.h"


#endif /* _NGX_FED_H_INCLUDED_ */
