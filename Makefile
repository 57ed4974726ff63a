# digitd: see `make help`.

CC      ?= gcc
BUILD   ?= build
PREFIX  ?= /usr/local
VERSION := 0.1.0

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes
OPTIMISE ?= -O2 -g
SANITIZE ?=
CFLAGS   += -std=gnu17 -D_GNU_SOURCE $(OPTIMISE) $(WARNINGS) $(SANITIZE) -pthread -I. -DDIGITD_VERSION='"$(VERSION)"'
LDFLAGS  += $(SANITIZE) -pthread

ENGINE_LIBS := -lopenblas -ljansson -lnettle -lz -lm
SERVER_LIBS := -lmicrohttpd -lpng -lsqlite3
TEST_LIBS   := -lcmocka -lcurl

ENGINE_SOURCES := $(wildcard engine/*.c)
SERVER_SOURCES := $(filter-out server/main.c,$(wildcard server/*.c))
ENGINE_OBJECTS := $(ENGINE_SOURCES:%.c=$(BUILD)/%.o)
SERVER_OBJECTS := $(SERVER_SOURCES:%.c=$(BUILD)/%.o)

build: $(BUILD)/digitd

$(BUILD)/libengine.a: $(ENGINE_OBJECTS)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libserver.a: $(SERVER_OBJECTS)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/digitd: $(BUILD)/server/main.o $(BUILD)/libserver.a $(BUILD)/libengine.a
	$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(ENGINE_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# One program a unit test file: tests/engine/test_rng.c -> build/tests/engine/test_rng
$(BUILD)/tests/engine/%: $(BUILD)/tests/engine/%.o $(BUILD)/libengine.a
	$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(ENGINE_LIBS)

$(BUILD)/tests/server/%: $(BUILD)/tests/server/%.o $(BUILD)/libserver.a $(BUILD)/libengine.a
	$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(SERVER_LIBS) $(ENGINE_LIBS)

.PHONY: build
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
