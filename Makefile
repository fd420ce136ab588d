# Builds, tests and installs ngx_xmpp_sip_module; `make help` lists the targets.

NGINX ?= $(firstword $(shell command -v nginx 2>/dev/null) /usr/sbin/nginx)
NGINX_DEV ?= /usr/share/nginx/src
NGINX_SRC ?=
CC ?= cc
WORKERS ?= 1 4
TIMEOUT ?= 1500
JOBS ?= 4
PROVE ?= prove
TESTS ?=

TOP := $(CURDIR)
SUFFIX := $(if $(SANITIZE),-sanitize)
BUILD ?= build$(SUFFIX)
STATIC ?= build-static$(SUFFIX)
override BUILD := $(abspath $(BUILD))
override STATIC := $(abspath $(STATIC))

MODULE := $(BUILD)/ngx_xmpp_sip_module.so
DIRS := $(addprefix -I$(TOP)/ngx_xmpp_sip_module/,. federation xmpp sip)

WARNINGS := -Wall -Wextra -Werror -Wno-unused-parameter

ifdef SANITIZE
CFLAGS ?= -g -O1 -fno-omit-frame-pointer
OPT := $(CFLAGS) -fsanitize=address,undefined -DNGX_SUPPRESS_WARN=1 \
	-DNGX_DEBUG_PALLOC=1
LDOPT := $(LDFLAGS) -fsanitize=address,undefined
else
CFLAGS ?= -g -O2 -fstack-protector-strong
CPPFLAGS ?= -D_FORTIFY_SOURCE=2
OPT := $(CFLAGS) $(CPPFLAGS)
LDOPT := $(LDFLAGS) -Wl,-z,relro -Wl,-z,now
endif

OPT += $(WARNINGS)


.PHONY: all help module static test test-matrix fuzz soak bench demo \
	install clean

all: module

help:
	@echo 'make                        the module for the nginx installed here'
	@echo 'make static NGINX_SRC=dir   an nginx of those sources, module within'
	@echo 'make test                   the tests, with 1 and with 4 workers'
	@echo 'make test TESTS=t/x.t WORKERS=1     some of them'
	@echo 'make test SANITIZE=1        with address and undefined sanitizers'
	@echo 'make test VALGRIND=1        under valgrind'
	@echo 'make test-matrix            other nginx releases and compilers'
	@echo 'make fuzz                   all that reads what peers send, fuzzed'
	@echo 'make fuzz TIME=3600 TARGETS="sip_parse address"   longer, or some'
	@echo 'make soak TIME=3600         mixed traffic with faults, and what grows'
	@echo 'make bench                  latency beside peers that misbehave'
	@echo 'make bench CASES="flood dns" WORKERS=1 ROUNDS=9     some of them'
	@echo 'make demo                   real servers and clients, a transcript'
	@echo 'make install [DESTDIR=dir]  the module and the line that loads it'
	@echo 'make clean'


# A module must be built against the very sources of the binary that loads it:
# distributions patch nginx without changing the module signature.

module: $(BUILD)/Makefile $(BUILD)/cflags
	@flock $(BUILD) $(MAKE) --no-print-directory -f $(BUILD)/Makefile \
		-C $(NGINX_DEV) modules

$(BUILD)/Makefile: config $(BUILD)/files
	@test -f $(NGINX_DEV)/conf_flags || { \
		echo 'make: nginx-dev is missing: misc/deps build' >&2; exit 1; }
	@cd $(NGINX_DEV) && flock $(BUILD) bash -c '. ./conf_flags; ./configure \
		--with-cc="$(CC)" \
		--with-cc-opt="$(OPT) -fPIC" --with-ld-opt="$(LDOPT) -fPIC" \
		"$${NGX_CONF_FLAGS[@]}" --with-stream --with-stream_ssl_module \
		--add-dynamic-module="$(TOP)" --builddir="$(BUILD)"' \
		> $(BUILD)/configure.log 2>&1 \
		|| { rm -f $@; tail -n 20 $(BUILD)/configure.log >&2; exit 1; }

# configured anew when a file comes or goes

$(BUILD)/files: FORCE
	@mkdir -p $(BUILD)
	@find ngx_xmpp_sip_module -name '*.[ch]' | LC_ALL=C sort > $@.$$$$; \
		if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi
	@while read -r f; do grep -q "/$${f##*/}[ \"]" config \
		|| { echo "make: $$f is not in config" >&2; exit 1; }; done < $@

.PHONY: FORCE
FORCE:

# for the unit tests

$(BUILD)/cflags: $(BUILD)/Makefile
	@$(call cflags,$(NGINX_DEV),$(BUILD))

cflags = echo $(addprefix -I$(1)/src/,core event event/modules os/unix \
	stream) -I$(2) $(DIRS) > $(2)/cflags


# ADD=dynamic builds that nginx with the module beside it

ADD ?= static

static: $(STATIC)/Makefile
	@$(MAKE) --no-print-directory -C $(NGINX_SRC) -f $(STATIC)/Makefile \
		binary $(if $(filter dynamic,$(ADD)),modules)
	@$(call cflags,$(NGINX_SRC),$(STATIC))

$(STATIC)/Makefile: config
	@test -f "$(NGINX_SRC)/src/core/nginx.c" || { \
		echo 'make: static NGINX_SRC=directory of nginx sources' >&2; \
		exit 1; }
	@mkdir -p $(STATIC)
	@cd "$(NGINX_SRC)" && $$(test -x configure && echo ./configure \
		|| echo auto/configure) \
		--with-cc="$(CC)" \
		--with-cc-opt="$(OPT)" --with-ld-opt="$(LDOPT)" \
		--with-debug --with-threads --with-compat \
		--with-stream --with-stream_ssl_module \
		--with-stream_realip_module --with-stream_ssl_preread_module \
		--with-pcre --without-http \
		--add-$(if $(filter dynamic,$(ADD)),dynamic-)module="$(TOP)" \
		--builddir="$(STATIC)" \
		> $(STATIC)/configure.log 2>&1 \
		|| { rm -f $@; tail -n 20 $(STATIC)/configure.log >&2; exit 1; }


# Debian's packages that are missing

.PHONY: deps-test deps-demo
deps-test deps-demo:
	@misc/deps $(@:deps-%=%)


# With STATIC_TEST set, the tests use the binary that `make static` built; with
# STATIC_TEST=dynamic, together with the module beside it.

ALL_TESTS := $(sort $(wildcard t/*.t t/unit/*.t t/fault/*.t \
	t/interop/*.t))

LOADED := $(if $(STATIC_TEST),$(if $(filter dynamic,$(STATIC_TEST)), \
	$(STATIC)/ngx_xmpp_sip_module.so),$(MODULE))

TEST_ENV := TEST_NGINX_BINARY=$(if $(STATIC_TEST),$(STATIC)/nginx,$(NGINX)) \
	TEST_NGINX_GLOBALS='$(if $(LOADED),load_module $(strip $(LOADED));)' \
	TEST_NGINX_BUILD=$(if $(STATIC_TEST),$(STATIC),$(BUILD)) \
	CC='$(CC)'

ifdef SANITIZE
TEST_ENV += ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1 \
	UBSAN_OPTIONS=print_stacktrace=1 \
	$(if $(STATIC_TEST),,TEST_NGINX_PRELOAD="$(shell \
		$(CC) -print-file-name=libasan.so) $(shell \
		$(CC) -print-file-name=libubsan.so)")
endif

ifdef VALGRIND
TEST_ENV += TEST_NGINX_WRAPPER='valgrind -q --trace-children=no \
	--suppressions=$(TOP)/misc/valgrind.supp \
	--log-file=$(BUILD)/valgrind/%p.log'
endif

test: deps-test $(if $(STATIC_TEST),,module)
	@rm -rf $(BUILD)/valgrind && mkdir -p $(BUILD)/valgrind
	@set -e; for n in $(WORKERS); do \
		echo "== worker_processes $$n"; \
		timeout -k 30 $(TIMEOUT) env $(TEST_ENV) \
			TEST_NGINX_WORKERS=$$n $(PROVE) -j$(JOBS) $(PROVE_FLAGS) \
			-I $(TOP)/t/nginx/lib -I $(TOP)/t/lib \
			$(or $(TESTS),$(ALL_TESTS)); \
	done
	@find $(BUILD)/valgrind -type f -size +0 | while read -r f; do \
		cat "$$f"; echo; done | if grep .; then exit 1; fi


# NGINX_VERSIONS and COMPILERS choose a part of the matrix

test-matrix:
	@misc/matrix

# each target for TIME seconds, JOBS of them at once, SEED=n for the same inputs;
# see t/README

TIME ?= 60
TARGETS ?=

fuzz: deps-test $(BUILD)/cflags
	@TEST_NGINX_BUILD=$(BUILD) t/fuzz/run -t $(TIME) -j $(JOBS) \
		$(if $(filter file,$(origin SEED)),,-s $(SEED)) $(TARGETS)

# what goes over the wire, for TIME seconds; SEED=n for the same faults

SEED ?= $(shell date +%s)

soak: deps-test module
	@$(TEST_ENV) t/fuzz/soak -t $(TIME) -w $(lastword $(WORKERS)) \
		-s $(SEED) -d $(BUILD)/soak

# what a peer that misbehaves does to others; see docs/benchmark.md

CASES ?=
ROUNDS ?= 5

bench: deps-test module
	@set -e; for n in $(WORKERS); do \
		$(TEST_ENV) perl -I t/nginx/lib t/bench/latency -w $$n \
			-r $(ROUNDS) $(CASES); \
	done

demo: deps-demo module
	@$(TEST_ENV) timeout -k 10 180 perl demo/demo


# The Debian way: the module, a file that loads it, and a link that enables it
# after stream, which it needs.

MODULES_PATH = $(or $(shell $(NGINX) -V 2>&1 | tr ' ' '\n' \
	| sed -n 's/^--modules-path=//p'),/usr/lib/nginx/modules)
AVAILABLE = /usr/share/nginx/modules-available
ENABLED = /etc/nginx/modules-enabled
CONF = mod-stream-xmpp-sip.conf

install: module
	install -D -m 644 $(MODULE) \
		$(DESTDIR)$(MODULES_PATH)/ngx_xmpp_sip_module.so
	install -d $(DESTDIR)$(AVAILABLE) $(DESTDIR)$(ENABLED)
	echo 'load_module modules/ngx_xmpp_sip_module.so;' \
		> $(DESTDIR)$(AVAILABLE)/$(CONF)
	ln -sf $(AVAILABLE)/$(CONF) $(DESTDIR)$(ENABLED)/70-$(CONF)

clean:
	rm -rf build build-sanitize build-static build-static-sanitize \
		build-matrix build-fuzz
