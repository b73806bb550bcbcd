# di4c: make [all|bench|demo|tour|deps|check|coverage|install|uninstall|clean|dist]
#
#   make demo          build, then train and distil on built-in data (minutes)
#   make tour          build and run the small programs of experiments/tour, in reading order
#   make deps check    install Check if it is missing, then build and run the tests
#   make VARIANT=asan check      under the address and undefined-behaviour sanitizers
#   make bench         build/bench, which times the kernels: build/bench --help
#   make CC=tcc                  any C99 compiler; OpenMP and ISA flags are probed, not assumed
#
# Knobs: CC, VARIANT (release, debug, asan, gcov, fuzz), OPENMP=no, MARCH=native, PLAIN=yes (no GNU
# vectors, no POSIX), PREFIX, DESTDIR.

VERSION := 0.1.0
VARIANT ?= release
MARCH   ?= native
PREFIX  ?= /usr/local
OUT     := build/$(VARIANT)

FOLDERS := tensor autograd nn diffusion distill
# A folder has rooms, and some rooms have rooms.
sources = $(wildcard $(1)/*.$(2) $(1)/*/*.$(2) $(1)/*/*/*.$(2) $(1)/*/*/*/*.$(2))
LIB_SRC := $(foreach f,$(FOLDERS),$(call sources,$(f),c))
BENCH_SRC := $(call sources,experiments/bench,c)
TOUR_SRC := $(call sources,experiments/tour,c)
APP_SRC := $(filter-out $(BENCH_SRC) $(TOUR_SRC),$(call sources,experiments,c))
TEST_SRC := $(call sources,tests,c)
LIB_OBJ := $(LIB_SRC:%.c=$(OUT)/%.o)
APP_OBJ := $(APP_SRC:%.c=$(OUT)/%.o)
BENCH_OBJ := $(BENCH_SRC:%.c=$(OUT)/%.o)
# Each of the tour's files is a program.
TOUR := $(TOUR_SRC:experiments/%.c=$(OUT)/%)
TEST_OBJ := $(TEST_SRC:%.c=$(OUT)/%.o) $(OUT)/tests/suites.o

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla -Wno-unknown-pragmas
OPT_release := -O3 -fno-math-errno -ffp-contract=fast
OPT_debug := -O1 -g -DDI4C_POISON
OPT_asan := -O1 -g -DDI4C_POISON -fsanitize=address,undefined -fno-sanitize-recover=all \
            -fno-omit-frame-pointer
OPT_gcov := -O1 -g --coverage
OPT_fuzz := -O1 -gline-tables-only -DDI4C_POISON -fsanitize=fuzzer-no-link,address,undefined \
            -fno-sanitize-recover=all -fno-omit-frame-pointer
ifeq ($(OPT_$(VARIANT)),)
$(error VARIANT=$(VARIANT) is unknown: expected release, debug, asan, gcov or fuzz)
endif

ifeq ($(VARIANT),release)
all: build/di4c build/libdi4c.a
else
all: $(OUT)/di4c $(OUT)/libdi4c.a
endif

# ---- what this compiler can do: probed once for each compiler, by compiling a real program ----
PROBE := $(OUT)/probe-$(subst /,-,$(subst $(strip ) ,-,$(CC)))-$(MARCH).mk
NO_BUILD := clean distclean deps dist uninstall
ifneq ($(filter-out $(NO_BUILD),$(or $(MAKECMDGOALS),all)),)
include $(PROBE)
$(PROBE): Makefile
	@mkdir -p $(OUT)
	@try() { printf '%s\n' "$$1" > $(OUT)/probe.c; shift; \
	  $(CC) -std=c99 "$$@" -o $(OUT)/probe $(OUT)/probe.c > $(OUT)/probe.log 2>&1 \
	  && ! grep -qi warning $(OUT)/probe.log && $(OUT)/probe; }; \
	empty='int main(void) { return 0; }'; flags=; \
	for f in $(OPT_$(VARIANT)) -march=$(MARCH) -mprefer-vector-width=512 $(WARN) -pedantic; do \
	  if try "$$empty" $$f; then flags="$$flags $$f"; fi; done; \
	omp='#include <omp.h>|int main(void) { int n = 0; _Pragma("omp parallel") n = omp_get_max_threads(); return n < 1; }'; \
	openmp=; if try "$$(echo "$$omp" | tr '|' '\n')" -fopenmp; then openmp=-fopenmp; fi; \
	depend=; if try "$$empty" -MMD -MP -MF $(OUT)/probe.d; then depend='-MMD -MP'; fi; \
	rm -f $(OUT)/probe $(OUT)/probe.* probe-*.gc* $(OUT)/probe-*.gc*; \
	printf 'PROBED := %s\nPROBED_OPENMP := %s\nDEPEND := %s\n' "$$flags" "$$openmp" "$$depend" > $@

ifeq ($(OPENMP),no)
PROBED_OPENMP :=
endif
ifeq ($(PLAIN),yes)
PLAIN_FLAG := -DDI4C_PLAIN_C
endif
override CFLAGS := -std=c99 $(PROBED) $(PROBED_OPENMP) $(PLAIN_FLAG) -I. -DDI4C_VERSION='"$(VERSION)"' $(CFLAGS)
override LDFLAGS := $(PROBED_OPENMP) $(filter -fsanitize=% --coverage,$(PROBED)) $(LDFLAGS)

# Objects depend on the command that made them: a change of flags or compiler rebuilds.
COMMAND := $(CC) $(CFLAGS) $(LDFLAGS)
ifneq ($(shell cat $(OUT)/command 2>/dev/null),$(subst ",,$(subst ',,$(COMMAND))))
$(shell mkdir -p $(OUT) && echo "$(subst ",,$(subst ',,$(COMMAND)))" > $(OUT)/command)
endif
endif # NO_BUILD

$(OUT)/%.o: %.c $(OUT)/command
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(DEPEND) -c -o $@ $<

$(OUT)/libdi4c.a: $(LIB_OBJ)
	rm -f $@
	ar rcs $@ $(LIB_OBJ)
$(OUT)/di4c: $(APP_OBJ) $(OUT)/libdi4c.a
	$(CC) $(LDFLAGS) -o $@ $(APP_OBJ) $(OUT)/libdi4c.a -lm
$(OUT)/bench: $(BENCH_OBJ) $(filter-out $(OUT)/experiments/main.o,$(APP_OBJ)) $(OUT)/libdi4c.a
	$(CC) $(LDFLAGS) -o $@ $^ -lm
$(TOUR): $(OUT)/tour/%: $(OUT)/experiments/tour/%.o $(OUT)/libdi4c.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< $(OUT)/libdi4c.a -lm
build/%: $(OUT)/%
	cp $< $@

# The measuring program: build/bench --help.
ifeq ($(VARIANT),release)
bench: build/bench
else
bench: $(OUT)/bench
endif

# ---- the demonstration and the tests ----
JOBS := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
demo:
	@echo "Building with $(CC) ..."
	@$(MAKE) -s --no-print-directory -j$(JOBS) build/di4c
	build/di4c demo --out out/demo

# One thread is enough for them.
tour:
	@echo "Building with $(CC) ..."
	@$(MAKE) -s --no-print-directory -j$(JOBS) $(TOUR)
	@for program in $(sort $(TOUR)); do \
	  printf '\n== %s ==\n' "$$program"; OMP_NUM_THREADS=1 "$$program" || exit 1; done

# Check is looked for when the recipe runs, so that `make -j deps check` works.
check: $(filter deps,$(MAKECMDGOALS))
	@if ! sh tests/deps.sh --probe "$(CC)"; then \
	  echo "The tests need Check (libcheck), which was not found: run 'make deps' first." >&2; exit 1; fi
	@$(MAKE) --no-print-directory $(OUT)/run-tests
	sh tests/run.sh $(OUT)/run-tests $(JOBS)

CHECK_LIBS = $(shell pkg-config --libs check 2>/dev/null || echo -lcheck)
$(OUT)/run-tests: $(TEST_OBJ) $(filter-out %/main.o,$(APP_OBJ) $(BENCH_OBJ)) $(OUT)/libdi4c.a | $(TOUR)
	$(CC) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) -lm -lpthread
# test_tour.c runs the tour's programs.
$(OUT)/tests/experiments/tour/test_tour.o: override CFLAGS += -DTOUR='"$(OUT)/tour"'
# Every test_NAME.c under tests/ defines NAME_suite; the list is made from the file names, so that no
# file can be forgotten.
TEST_NAMES := $(sort $(patsubst test_%.c,%,$(filter test_%.c,$(notdir $(TEST_SRC)))))
$(OUT)/tests/suites.c: $(TEST_SRC) Makefile
	@mkdir -p $(@D)
	@{ printf '#include "tests/suites.h"\n\n'; \
	  for n in $(TEST_NAMES); do \
	    printf 'Suite *%s_suite(void);\n' $$n; done; \
	  printf '\nconst TestSuite test_suites[] = {\n'; \
	  for n in $(TEST_NAMES); do \
	    printf '    {"%s", %s_suite},\n' $$n $$n; done; \
	  printf '    {0, 0},\n};\n'; } > $@
$(OUT)/tests/suites.o: $(OUT)/tests/suites.c
	$(CC) $(CFLAGS) -c -o $@ $<

# ---- what takes long: not part of `make check` ----
# Every reader on made-up files, SECONDS each (tests/README.md); needs clang with libFuzzer, and runs
# the corpora alone where there is none.
SECONDS ?= 60
FUZZ_ROOMS := cli report data model metrics theory/exact
FUZZ_APP := $(filter $(FUZZ_ROOMS:%=$(OUT)/experiments/%/%) %/sampler_options.o,$(APP_OBJ))
FUZZ_OBJ := $(patsubst %.c,$(OUT)/%.o,$(filter-out %/test_fuzz.c,$(wildcard tests/fuzz/*.c)))
$(OUT)/fuzz: $(FUZZ_OBJ) $(FUZZ_APP) $(OUT)/libdi4c.a
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ -lm
fuzz:
	sh tests/fuzz.sh $(SECONDS) $(TARGETS)
# Whatever is not for every day.
trust:
	sh tests/fuzz.sh $(SECONDS) $(TARGETS)
	@$(MAKE) --no-print-directory all
	sh tests/interrupt.sh build/di4c

# Installs Check by the system's package manager if it is missing, and says what it does.
deps:
	@sh tests/deps.sh "$(CC)"

# Line coverage of the library by the tests (gcc and gcov).
coverage:
	$(MAKE) VARIANT=gcov check
	@sh tests/coverage.sh build/gcov $(FOLDERS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib
	install build/di4c $(DESTDIR)$(PREFIX)/bin/di4c
	install -m 644 build/libdi4c.a $(DESTDIR)$(PREFIX)/lib/libdi4c.a
	for h in $(foreach f,$(FOLDERS),$(call sources,$(f),h)); do \
	  install -d $(DESTDIR)$(PREFIX)/include/di4c/$${h%/*}; \
	  install -m 644 $$h $(DESTDIR)$(PREFIX)/include/di4c/$$h; done
uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/include/di4c
	rm -f $(DESTDIR)$(PREFIX)/bin/di4c $(DESTDIR)$(PREFIX)/lib/libdi4c.a
clean distclean:
	rm -rf build
dist:
	mkdir -p build
	git archive --prefix=di4c-$(VERSION)/ -o build/di4c-$(VERSION).tar.gz HEAD

.PHONY: all bench demo tour check fuzz trust deps coverage install uninstall clean distclean dist
.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(APP_OBJ:.o=.d) $(BENCH_OBJ:.o=.d) $(TEST_OBJ:.o=.d)
-include $(TOUR_SRC:%.c=$(OUT)/%.d)
