# di4c: make [all|bench|demo|tour|deps|check|faults|mutants|fuzz|trust|lint|coverage|portability|install|
#             uninstall|dist|distcheck|clean]
#
#   make demo          build, then train and distil on built-in data (minutes)
#   make tour          build and run the small programs of experiments/tour, in reading order
#   make deps check    install Check if it is missing, then build and run the tests
#   make faults        would a test notice? plants each fault of tests/faults.txt (minutes)
#   make mutants       the same of FAULTS=200 small ones, drawn by SEED=1 (half an hour)
#   make VARIANT=asan check      under the address and undefined-behaviour sanitizers
#   make bench         build/bench, which times the kernels: build/bench --help
#   make CC=tcc                  any C99 compiler; OpenMP and ISA flags are probed, not assumed
#   make CC=aarch64-linux-gnu-gcc RUN='qemu-aarch64 -L /usr/aarch64-linux-gnu'
#                                another machine: RUN is what runs its programs, and may be left out
#   make portability             builds with every compiler at hand and prints a table
#
# Knobs: CC, VARIANT (release, debug, asan, gcov, fuzz), OPENMP=no, MARCH=native, PLAIN=yes (no GNU
# vectors, no POSIX), CONTRACT=off (the same bits from every build), RUN, CHECK=standin (tests without
# the library Check), SHORT=yes (without the slow tests: for sanitized builds), CFLAGS, LDFLAGS,
# PREFIX, DESTDIR.

VERSION := 0.1.0
VARIANT ?= release
MARCH   ?= native
PREFIX  ?= /usr/local
OUT     := build/$(VARIANT)
CONTRACT ?= fast

FOLDERS := tensor autograd nn diffusion distill
# A folder has rooms, and some rooms have rooms.
sources = $(wildcard $(1)/*.$(2) $(1)/*/*.$(2) $(1)/*/*/*.$(2) $(1)/*/*/*/*.$(2))
LIB_SRC := $(foreach f,$(FOLDERS),$(call sources,$(f),c))
BENCH_SRC := $(call sources,experiments/bench,c)
TOUR_SRC := $(call sources,experiments/tour,c)
APP_SRC := $(filter-out experiments/bench/% experiments/tour/%,$(call sources,experiments,c))
TEST_SRC := $(filter-out tests/standin/%,$(call sources,tests,c))
LIB_OBJ := $(LIB_SRC:%.c=$(OUT)/%.o)
APP_OBJ := $(APP_SRC:%.c=$(OUT)/%.o)
BENCH_OBJ := $(BENCH_SRC:%.c=$(OUT)/%.o)
# Each of the tour's files is a program.
TOUR = $(TOUR_SRC:experiments/%.c=$(OUT)/%$(EXE))
TEST_OBJ = $(TEST_SRC:%.c=$(OUT)/%.o) $(OUT)/tests/suites.o $(CHECK_OBJ)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla -Wno-unknown-pragmas
OPT_release := -O3 -fno-math-errno $(if $(filter off,$(CONTRACT)),,-ffp-contract=fast)
OPT_debug := -O1 -g -DDI4C_POISON
# -Wno-pass-failed: clang tells of each loop that a sanitizer keeps from being a vector's.
OPT_asan := -O2 -g1 -DDI4C_POISON -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all \
            -fno-omit-frame-pointer -Wno-pass-failed
OPT_gcov := -O1 -g --coverage -DDI4C_COVERAGE
OPT_fuzz := -O1 -gline-tables-only -DDI4C_POISON -fsanitize=fuzzer-no-link,address,undefined \
            -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-pass-failed
ifeq ($(OPT_$(VARIANT)),)
$(error VARIANT=$(VARIANT) is unknown: expected release, debug, asan, gcov or fuzz)
endif

ifeq ($(CONTRACT),off)
# Each operation is rounded by itself, to its own type: no multiply-adds, no wider intermediate results
# (x87, s390x), and sums of floats stay in their order where vectors would change it, of which clang
# warns.
EXACT := -ffp-contract=off -msse2 -mfpmath=sse -fexcess-precision=fast \
         $(if $(findstring clang,$(CC)),-Wno-pass-failed)
ORDERED_FLAG := -DDI4C_ORDERED
else ifneq ($(CONTRACT),fast)
$(error CONTRACT=$(CONTRACT) is unknown: expected fast or off)
endif

all:

# ---- what this compiler can do: probed once for each compiler, by compiling a real program ----
# A flag is taken if a program that is made with it, and with those before, runs.  Where the compiler's
# programs do not run here, they need only be made; nor is each flag looked at by way of RUN, which may be
# slow.  There -march=native, which would mean this machine, is left out.  A program has a minute where the
# command timeout is: threads wait for ever under qemu-i386.
probe_name = $(subst $(strip ) ,-,$(subst /,-,$(subst $(strip ) ,-,$(strip $(1)))))
# Where programs run, the shared library of OpenMP may not be (mingw's), which a static one does without.
STATIC := $(filter -static,$(LDFLAGS))
PROBE := $(OUT)/probe-$(call probe_name,$(CC) $(MARCH) $(CONTRACT) $(RUN) $(STATIC)).mk
NO_BUILD := clean distclean deps dist distcheck fuzz lint portability uninstall
ifneq ($(filter-out $(NO_BUILD),$(or $(MAKECMDGOALS),all)),)
include $(PROBE)
$(PROBE): Makefile
	@mkdir -p $(OUT)
	@probe=$(OUT)/probe; : > $$probe.known; \
	clean() { rm -f $$probe $$probe.* probe.d probe-*.gc* $$probe-*.gc*; }; \
	make_it() { printf '%s\n' "$$1" > $$probe.c; shift; rm -f $$probe $$probe.exe; \
	  $(CC) -std=c99 "$$@" -o $$probe $$probe.c > $$probe.log 2>&1 \
	  && ! grep -i warning $$probe.log | grep -qvxF -f $$probe.known; }; \
	limit=$$(command -v timeout) && limit="$$limit 60 env"; \
	run_it() { if [ -f $$probe.exe ]; then $$limit $(RUN) $$probe.exe; else $$limit $(RUN) $$probe; fi; }; \
	try() { make_it "$$@" && { [ "$$look" = no ] || run_it; } > $$probe.out 2>&1; }; \
	empty='int main(void) { return 0; }'; flags=; look=yes; runs=yes; exe=; march=$(MARCH); \
	make_it "$$empty"; cp $$probe.log $$probe.known; \
	if ! make_it "$$empty"; then \
	  echo "di4c: CC=$(CC) makes no program:" >&2; cat $$probe.log >&2; clean; exit 1; fi; \
	if [ -f $$probe.exe ]; then exe=.exe; flags=-D__USE_MINGW_ANSI_STDIO=1; fi; \
	if ! try "$$empty"; then look=no; runs=no; \
	  [ -z "$(RUN)" ] || { echo "di4c: RUN=$(RUN) does not run the programs of $(CC):" >&2; \
	    cat $$probe.out >&2; clean; exit 1; }; \
	  echo "di4c: programs of $(CC) do not run here: its flags are only seen to compile" \
	    "(RUN='qemu-... -L ...' runs them)" >&2; fi; \
	if [ "$$march" = native ] && { [ $$runs = no ] || [ -n "$(RUN)" ]; }; then march=; look=no; fi; \
	for f in $(OPT_$(VARIANT)) $(EXACT) $${march:+-march=$$march} -mprefer-vector-width=512 $(WARN) \
	  -pedantic; do \
	  if try "$$empty" $$flags $$f; then flags="$$flags $$f"; fi; done; \
	omp='int main(void) { int n = 0; _Pragma("omp parallel") n = omp_get_max_threads(); return n < 1; }'; \
	look=$$runs; openmp=; \
	for f in '' $(STATIC); do \
	  if try "$$(printf '%s\n' '#include <omp.h>' "$$omp")" -fopenmp $$f; then openmp=-fopenmp; fi; done; \
	simd=; if try "$$empty" -fopenmp-simd; then simd=-fopenmp-simd; fi; \
	depend=; if make_it "$$empty" -MMD -MP -c && [ -f $$probe.d ]; then depend='-MMD -MP'; fi; \
	soname=; shared=; for f in -Wl,-soname, -Wl,-install_name, ; do \
	  if [ -z "$$shared" ] && make_it 'int four(void) { return 4; }' -fPIC -shared $${f}libprobe.so.0; then \
	    shared=yes; soname=$$f; fi; done; \
	clean; \
	printf '%s\n' "PROBED := $$flags" "PROBED_OPENMP := $${openmp:-$$simd}" "PROBED_SIMD := $$simd" \
	  "DEPEND := $$depend" "RUNS := $$runs" "EXE := $$exe" "SHARED := $$shared" "SONAME_FLAG := $$soname" > $@

# One thread, but loops are vectorised as they say: else gcc 12 adds up products in two ways, by their
# number, and the bits of a row depend on the other rows.
ifeq ($(OPENMP),no)
PROBED_OPENMP := $(PROBED_SIMD)
endif
RUNTIME := $(filter -fopenmp,$(PROBED_OPENMP))
ifeq ($(PLAIN),yes)
PLAIN_FLAG := -DDI4C_PLAIN_C
endif
ifeq ($(CHECK),standin)
CHECK_FLAG := -Itests/standin
CHECK_OBJ := $(OUT)/tests/standin/check.o
endif
# CFLAGS and LDFLAGS stay as they were given: make hands those of the environment on to a make inside.
flags_with = -std=c99 $(1) $(PROBED_OPENMP) $(PLAIN_FLAG) $(ORDERED_FLAG) -I. $(CHECK_FLAG) \
             -DDI4C_VERSION='"$(VERSION)"' $(CFLAGS)
FLAGS := $(call flags_with,$(PROBED))
# To compile a test's code takes longer than to run it; the undefined-behaviour sanitizer is for the code that
# is tested.
TEST_FLAGS := $(call flags_with,$(patsubst -O%,-O1,$(filter-out -fsanitize=undefined,$(PROBED))))
# SHORT=yes: without the cases of tests that are tagged slow (tests/tools/slow.h), and without the
# undefined-behaviour sanitizer in the innermost loops of products, with which they take longest of all code.
SHORT_FLAGS := $(call flags_with,$(filter-out -fsanitize=undefined,$(PROBED)))
LINK_FLAGS := $(PROBED_OPENMP) $(filter -fsanitize=% --coverage,$(PROBED)) $(LDFLAGS)

# Objects depend on the command that made them: a change of flags or compiler rebuilds.
COMMAND := $(CC) $(FLAGS) $(LINK_FLAGS) $(if $(filter yes,$(SHORT)),SHORT=yes)
ifneq ($(shell cat $(OUT)/command 2>/dev/null),$(subst ",,$(subst ',,$(COMMAND))))
$(shell mkdir -p $(OUT) && echo "$(subst ",,$(subst ',,$(COMMAND)))" > $(OUT)/command)
endif
endif # NO_BUILD

ifeq ($(VARIANT),release)
all: build/di4c$(EXE) build/libdi4c.a
else
all: $(OUT)/di4c$(EXE) $(OUT)/libdi4c.a
endif

$(OUT)/tests/%.o: private FLAGS := $(TEST_FLAGS)
ifeq ($(SHORT),yes)
$(OUT)/tensor/product/gemm_tile.o $(OUT)/tensor/product/dgemm.o: private FLAGS := $(SHORT_FLAGS)
endif
$(OUT)/%.o: %.c $(OUT)/command
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(DEPEND) -c -o $@ $<

$(OUT)/libdi4c.a: $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)
$(OUT)/di4c$(EXE): $(APP_OBJ) $(OUT)/libdi4c.a
	$(CC) $(LINK_FLAGS) -o $@ $(APP_OBJ) $(OUT)/libdi4c.a -lm
$(OUT)/bench$(EXE): $(BENCH_OBJ) $(filter-out $(OUT)/experiments/main.o,$(APP_OBJ)) $(OUT)/libdi4c.a
	$(CC) $(LINK_FLAGS) -o $@ $^ -lm
$(TOUR): $(OUT)/tour/%$(EXE): $(OUT)/experiments/tour/%.o $(OUT)/libdi4c.a
	@mkdir -p $(@D)
	$(CC) $(LINK_FLAGS) -o $@ $< $(OUT)/libdi4c.a -lm
build/%: $(OUT)/%
	cp $< $@

# The measuring program: build/bench --help.
ifeq ($(VARIANT),release)
bench: build/bench$(EXE)
else
bench: $(OUT)/bench$(EXE)
endif

# ---- the demonstration and the tests ----
JOBS := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
demo:
	@echo "Building with $(CC) ..."
	@$(MAKE) -s --no-print-directory -j$(JOBS) build/di4c$(EXE)
	$(RUN) build/di4c$(EXE) demo --out out/demo

# One thread is enough for them.
tour:
	@echo "Building with $(CC) ..."
	@$(MAKE) -s --no-print-directory -j$(JOBS) $(TOUR)
	@for program in $(sort $(TOUR)); do \
	  printf '\n== %s ==\n' "$$program"; OMP_NUM_THREADS=1 $(RUN) "$$program" || exit 1; done

# Check is looked for when the recipe runs, so that `make -j deps check` works.
check: $(filter deps,$(MAKECMDGOALS))
	@if [ "$(CHECK)" != standin ] && ! sh tests/deps.sh --probe "$(CC)"; then \
	  echo "The tests need Check (libcheck), which was not found:" \
	    "run 'make deps' first, or say CHECK=standin." >&2; exit 1; fi
	@$(MAKE) --no-print-directory $(OUT)/run-tests$(EXE)
	$(if $(filter yes,$(SHORT)),CK_EXCLUDE_TAGS=slow) RUN="$(RUN)" sh tests/run.sh $(OUT)/run-tests$(EXE) $(JOBS)

ifneq ($(CHECK),standin)
CHECK_LIBS = $(shell pkg-config --libs check 2>/dev/null || echo -lcheck) -lpthread
endif
$(OUT)/run-tests$(EXE): $(TEST_OBJ) $(filter-out %/main.o,$(APP_OBJ) $(BENCH_OBJ)) $(OUT)/libdi4c.a | $(TOUR)
	$(CC) $(LINK_FLAGS) -o $@ $^ $(CHECK_LIBS) -lm
# Windows has of POSIX what plain C has: platform.c finds that out by itself, its tests do not.
ifneq ($(EXE),)
$(OUT)/tests/%.o: FLAGS += -DDI4C_PLAIN_C
endif
# test_tour.c runs the tour's programs.
$(OUT)/tests/experiments/tour/test_tour.o: FLAGS += -DTOUR='"$(OUT)/tour"'
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
	$(CC) $(FLAGS) -c -o $@ $<

# ---- what takes long: not part of `make check` ----
# Every reader on made-up files, SECONDS each (tests/README.md); needs clang with libFuzzer, and runs
# the corpora alone where there is none.
SECONDS ?= 60
FUZZ_ROOMS := cli report data model metrics theory/exact
FUZZ_APP := $(filter $(FUZZ_ROOMS:%=$(OUT)/experiments/%/%) %/sampler_options.o,$(APP_OBJ))
FUZZ_OBJ := $(patsubst %.c,$(OUT)/%.o,$(filter-out %/test_fuzz.c,$(wildcard tests/fuzz/*.c)))
$(OUT)/fuzz: $(FUZZ_OBJ) $(FUZZ_APP) $(OUT)/libdi4c.a
	$(CC) $(LINK_FLAGS) -fsanitize=fuzzer -o $@ $^ -lm
fuzz:
	sh tests/fuzz.sh -j $(JOBS) $(SECONDS) $(TARGETS)
# Whatever is not for every day.
trust: fuzz
	@$(MAKE) --no-print-directory $(PROGRAM)
	sh tests/interrupt.sh $(PROGRAM)
	$(MAKE) --no-print-directory VARIANT=asan check

# Installs Check by the system's package manager if it is missing, and says what it does.
deps:
	@sh tests/deps.sh "$(CC)"

# Each fault of tests/faults.txt in a copy of the tree: is it caught by the test that should?
faults: $(OUT)/run-tests$(EXE)
	@CC="$(CC)" sh tests/faults.sh -j $(JOBS) -o $(OUT)

# FAULTS small ones at places drawn by SEED.
FAULTS = 200
SEED = 1
mutants: $(OUT)/run-tests$(EXE)
	@CC="$(CC)" sh tests/mutate.sh -j $(JOBS) -n $(FAULTS) -s $(SEED) -o $(OUT)

# Coverage of the lines and branches of the library by the tests (gcc and gcov); counting takes its time, too.
coverage:
	$(MAKE) VARIANT=gcov SHORT=yes check
	@sh tests/coverage.sh build/gcov $(FOLDERS)

# Static analysis by what is here of clang-tidy, cppcheck and gcc; see tests/lint.sh.
lint:
	@sh tests/lint.sh -j $(JOBS)

# ---- packages: packaging/README.md says what is installed where ----
# The number of the programming interface is a part of the shared library's name.
API_NUMBER = $(shell sed -n 's/^.define DI4C_API_$(1) //p' tensor/base/version.h)
API := $(call API_NUMBER,MAJOR).$(call API_NUMBER,MINOR)
SHARED_LIB := libdi4c.so.$(API)
# No shared library where there is no -shared, of programs that are linked -static, and for Windows, whose
# libraries are of another make.
ifneq ($(EXE)$(STATIC),)
SHARED :=
endif
PIC_OBJ := $(LIB_SRC:%.c=$(OUT)/pic/%.o)
$(OUT)/pic/%.o: %.c $(OUT)/command
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -fPIC $(DEPEND) -c -o $@ $<
$(OUT)/$(SHARED_LIB): $(PIC_OBJ)
	$(CC) -shared $(LINK_FLAGS) $(addsuffix $(SHARED_LIB),$(SONAME_FLAG)) -o $@ $(PIC_OBJ) -lm

# The manual page and the completion are what the program says of itself, so it has to run.
PROGRAM := $(OUT)/di4c$(EXE)
ifneq ($(RUNS),no)
SAYS := $(OUT)/di4c.1 $(OUT)/di4c.bash
endif
$(OUT)/di4c.1: packaging/man.sh $(PROGRAM)
	sh packaging/man.sh $(VERSION) $(RUN) $(PROGRAM) > $@.tmp.made && mv $@.tmp.made $@
$(OUT)/di4c.bash: packaging/completion.sh $(PROGRAM)
	sh packaging/completion.sh $(RUN) $(PROGRAM) > $@.tmp.made && mv $@.tmp.made $@

BIN := $(DESTDIR)$(PREFIX)/bin
LIB := $(DESTDIR)$(PREFIX)/lib
INCLUDE := $(DESTDIR)$(PREFIX)/include/di4c
MAN := $(DESTDIR)$(PREFIX)/share/man/man1
COMPLETIONS := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
install: $(PROGRAM) $(OUT)/libdi4c.a $(if $(SHARED),$(OUT)/$(SHARED_LIB)) $(SAYS)
	install -d "$(BIN)" "$(LIB)/pkgconfig"
	install $(PROGRAM) "$(BIN)/di4c$(EXE)"
	install -m 644 $(OUT)/libdi4c.a "$(LIB)/libdi4c.a"
	$(if $(SHARED),install -m 644 $(OUT)/$(SHARED_LIB) "$(LIB)/$(SHARED_LIB)")
	$(if $(SHARED),ln -sf $(SHARED_LIB) "$(LIB)/libdi4c.so")
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@THREADS@|$(RUNTIME)|' \
	  -e 's|@PUBLIC@|$(if $(SHARED),,$(RUNTIME))|' packaging/di4c.pc.in > "$(LIB)/pkgconfig/di4c.pc"
	for h in $(foreach f,$(FOLDERS),$(call sources,$(f),h)); do \
	  install -d "$(INCLUDE)/$${h%/*}" && install -m 644 $$h "$(INCLUDE)/$$h" || exit 1; done
	$(if $(SAYS),install -d "$(MAN)" "$(COMPLETIONS)")
	$(if $(SAYS),install -m 644 $(OUT)/di4c.1 "$(MAN)/di4c.1")
	$(if $(SAYS),install -m 644 $(OUT)/di4c.bash "$(COMPLETIONS)/di4c")
	$(if $(SAYS),,@echo "di4c: no manual page and no completion, since $(PROGRAM) does not run here" >&2)
uninstall:
	rm -rf "$(INCLUDE)"
	rm -f "$(BIN)/di4c" "$(BIN)/di4c.exe" "$(LIB)/libdi4c.a" "$(LIB)/libdi4c.so" "$(LIB)/$(SHARED_LIB)"
	rm -f "$(LIB)/pkgconfig/di4c.pc" "$(MAN)/di4c.1" "$(COMPLETIONS)/di4c"
clean distclean:
	rm -rf build

# The tree as it was last committed, or, in a tree that came without git, as it is.
NAME := di4c-$(VERSION)
DIST := .ci .clang-format .gitignore LICENSE Makefile README.md $(FOLDERS) experiments packaging tests
dist:
	mkdir -p build
	if git rev-parse --git-dir > build/$(NAME).log 2>&1; then \
	  git archive --prefix=$(NAME)/ -o build/$(NAME).tar.gz HEAD; \
	else rm -rf build/$(NAME) && mkdir build/$(NAME) && cp -R $(DIST) build/$(NAME) && \
	  (cd build && tar -cf - $(NAME)) | gzip > build/$(NAME).tar.gz && rm -rf build/$(NAME); fi
	rm -f build/$(NAME).log
# Unpacks that where there is no git, builds, and runs the tests.
distcheck: dist
	MAKE="$(MAKE)" sh packaging/distcheck.sh build/$(NAME).tar.gz $(NAME)

portability:
	sh tests/portability.sh

.PHONY: all bench demo tour check faults mutants fuzz trust deps coverage lint install uninstall clean \
        distclean dist distcheck portability
.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(APP_OBJ:.o=.d) $(BENCH_OBJ:.o=.d) $(TEST_OBJ:.o=.d)
-include $(TOUR_SRC:%.c=$(OUT)/%.d) $(PIC_OBJ:.o=.d)
