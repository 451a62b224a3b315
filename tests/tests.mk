# How it is tested, measured and shown. What needs more of the machine than a compiler installs that first (deps-…,
# boards/boards.mk): it works by itself on a fresh Debian machine.
PYTHON := /usr/bin/python3# Debian's: it has the packages installed for it; another may come first in PATH

.PHONY: images test test-small test-machine check soak sim sim-digest digest sim-mutants fuzz fuzzers torture demo bench run size

# ---- what is built for it -----------------------------------------------------------------------

unit     := $(call objects,$(UNIT))
bench    := $(call objects,tests/bench)
sim      := $(call objects,tests/sim)
fuzz     := $(call objects,tests/fuzz)

$(BUILD)/libplatform.a: $(filter-out $(main),$(platform))
$(BUILD)/libunit.a: $(filter-out $(BUILD)/$(UNIT)/test_%,$(unit)) $(UNIT_WITH:%=$(BUILD)/%.o)

$(unit) $(bench): $(fetched)

# Beside an image, for its tests: the same with the hooks that fail closed, and one that does wrong on purpose.
images := $(if $(IMAGE),$(addprefix $(BUILD)/,closed.elf traps.elf))
traps  := $(if $(IMAGE),$(call objects,tests/boards))
$(BUILD)/closed.elf: $(filter-out $(BUILD)/platform/qemu/%,$(links)) $(LINK_SCRIPTS)
$(BUILD)/traps.elf: $(traps) $(filter-out $(BUILD)/platform/logger/%,$(platform)) $(board) $(LINK_SCRIPTS)
$(images):
	$(link) -o $@ $(filter %.o %.a,$^) $(LDLIBS)

# Under an emulator without those that try every byte of long streams, for each takes as long as all others together,
# and without the one that counts system calls: the emulator's signals add some.
not_emulated := $(if $(RUNNER),%/test_linux_wait %/test_mbedtls_link %/test_mbedtls_heap %/test_pg_hostile %/test_pg_model %/test_dsn \
                            %/test_rules_faults)
tests := $(patsubst %.o,%,$(filter $(BUILD)/$(UNIT)/test_%,$(unit)))
benches := $(patsubst %.o,%,$(bench))
program_links := $(BUILD)/libplatform.a $(library_test) $(library)

# In the library mbedTLS is hidden: this test has what it looks at without it.
of_mbedtls := $(filter %/test_mbedtls_gcm,$(tests))
$(of_mbedtls): %: %.o $(filter %/mbedtls/gcm.o,$(ports)) $(third)
	$(link) -o $@ $^ $(IPSEC_MB) -lcmocka

$(filter-out $(of_mbedtls),$(tests)): %: %.o $(BUILD)/libunit.a $(program_links) $(third)
	$(link) -o $@ $^ -lcmocka $(CSVLIBS) $(LDLIBS)

$(benches): %: %.o $(program_links) $(third)
	$(link) -o $@ $^ $(if $(findstring libpq,$@),-lpq) $(CSVLIBS) $(LDLIBS)

simulator := $(BUILD)/tests/sim/sim

# Put between the program and libc by the tests that make its calls fail.
interposer := $(BUILD)/tests/torture/interpose.so

$(interposer): tests/torture/interpose.c $(BUILD)/.flags
	mkdir -p $(@D)
	gcc $(filter-out -ffunction-sections -fdata-sections,$(COMMON)) -O1 -g -shared -fPIC -o $@ $< -ldl

# Clients on one connection, in the hands of test_replay.py, test_ledger.py, test_values.py, test_credentials.py and
# test_ledger_table.py. The last one stands on the program's parts.
of_program := $(BUILD)/tests/integration/ledger_run
clients := $(addprefix $(BUILD)/tests/integration/,replay ledger values credentials) $(of_program)

$(filter-out $(of_program),$(clients)): %: %.o $(library)
	$(link) -o $@ $^ $(LDLIBS)

$(of_program): %: %.o $(BUILD)/libplatform.a $(board) $(library)
	$(link) -o $@ $^ $(CSVLIBS) $(LDLIBS)

$(simulator): $(core) $(sim)
	$(link) -o $@ $^

# Linked from the objects themselves: where no name is local, every line is counted.
fuzzers := $(patsubst %.o,%,$(filter $(BUILD)/tests/fuzz/fuzz_%,$(fuzz)))
$(fuzzers): %: %.o $(BUILD)/tests/fuzz/memory_file.o $(BUILD)/tests/sim/hash.o $(BUILD)/tests/unit/peer.o \
            $(BUILD)/tests/unit/peer_status.o $(BUILD)/tests/unit/peer_reply.o $(BUILD)/tests/unit/peer_ledger.o \
            $(core) $(ports) $(script) $(board) $(filter-out $(main),$(platform)) $(third)
	@echo 'link $@'
	$(link) -fsanitize=fuzzer -o $@ $^ $(IPSEC_MB) $(CSVLIBS) $(LDLIBS)
fuzzers: $(fuzzers)

# ---- tests --------------------------------------------------------------------------------------

groups := test-unit test-sanitize test-sim test-fuzz test-integration test-integration-sanitize test-lwip test-readme test-boards test-cross
BOARDS := mps2-an386 mps2-an385 mps2-an505
.PHONY: $(groups)

test: deps-test ## all tests, group by group; says at the end which failed
	MAKE='$(MAKE)' tests/run.sh groups $(groups)

test-unit: deps-test ## unit tests on a virtual clock (cmocka)
	$(MAKE) $(filter-out $(not_emulated),$(tests))
	RUNNER='$(RUNNER)' tests/run.sh programs $(filter-out $(not_emulated),$(tests))

test-sanitize: deps-test ## the unit tests with address and undefined-behaviour sanitizers
	$(MAKE) SANITIZE=1 all
	$(MAKE) SANITIZE=1 test-unit
	$(MAKE) SANITIZE=1 SMALL=1 test-small

# The other unit tests are of what a small build leaves out, or read its messages.
small_tests := $(filter %/test_scram %/test_pg_login %/test_pg_hostile %/test_pg_unnamed %/test_pg_model,$(tests))
test-small: deps-test # the unit tests that a small build passes as well (SMALL=1)
	$(MAKE) $(small_tests)
	tests/run.sh programs $(small_tests)

test-integration: deps-test ## the program against real servers (pytest)
	$(MAKE) all $(interposer) $(clients) $(BUILD)/tests/unit/test_mbedtls_hash $(BUILD)/tests/unit/test_mbedtls_gcm
	tests/run.sh integration $(BUILD)/holdfast

test-integration-sanitize: deps-test ## the same, with the program built with sanitizers
	$(MAKE) SANITIZE=1 all build/$(VARIANT)-asan/tests/torture/interpose.so $(clients:$(BUILD)/%=build/$(VARIANT)-asan/%)
	TEST_ASAN=1 tests/run.sh integration build/$(VARIANT)-asan/holdfast

test-boards: deps-boards ## firmware images under QEMU against a real server (pytest)
	for board in $(BOARDS); do $(MAKE) BOARD=$$board images || exit 1; done
	tests/run.sh boards

images: $(program) $(images)

test-cross: deps-cross ## the program and its unit tests for arm64 and armhf, under qemu-user
	for machine in $(CROSSES); do \
	    for what in all test-unit test-machine; do $(MAKE) CROSS=$$machine- $$what || exit 1; done; \
	done

test-machine: # with CROSS: a query over TLS
	RUNNER='$(RUNNER)' tests/run.sh integration $(BUILD)/holdfast -k logs_in_over_tls

test-lwip: deps-test ## the lwIP port: unit tests, sanitized, and the fault tests over a TAP device (as root)
	$(MAKE) BOARD=linux-lwip SANITIZE=1 test-unit
	$(MAKE) BOARD=linux-lwip all
	HOLDFAST_PORT=lwip tests/run.sh integration build/linux-lwip/holdfast -m 'fault or lwip'

test-readme: deps-test ## compile the C programs in README.md
	$(MAKE) all
	CC='$(CC)' LIBS='$(LDLIBS)' tests/readme.sh $(BUILD)

test-fuzz: deps-test ## the fuzz targets: all that is known replayed, then new inputs, the same each time
	$(MAKE) FUZZ=1 fuzzers
	tests/fuzz/run.sh build/$(VARIANT)-fuzz same

fuzz: deps-test ## fuzz for SECONDS= (60) a target; TARGET= one (wire, pool, csv …)
	$(MAKE) FUZZ=1 fuzzers
	tests/fuzz/run.sh build/$(VARIANT)-fuzz $(or $(SECONDS),60) $(TARGET)

torture: deps-test ## every allocation, socket and file call of a report failing in turn (some of them: make test)
	$(MAKE) all $(interposer)
	TORTURE=all tests/run.sh integration $(BUILD)/holdfast -k torture

soak: deps-test ## exactly once under --ledger: 300 kills of the job and 20 of its server, each; SOAK= times as many
	$(MAKE) all
	SOAK=$(or $(SOAK),1) tests/run.sh integration $(BUILD)/holdfast -k report_ledger_faults

# The range is fixed, so that what passes here passes everywhere. More: make sim N=100000, or FROM= elsewhere.
test-sim: deps-test ## the simulator: many seeds, fewer with sanitizers, and the mutants
	$(MAKE) sim-digest
	$(MAKE) SANITIZE=1 digest N=1500
	$(MAKE) sim FROM=1000001 N=3000
	$(MAKE) sim-mutants
	@echo 'for more: make sim N=100000; make SANITIZE=1 sim N=10000'

sim: ## the simulator: N= seeds FROM= one, or SEED= alone
	$(MAKE) $(simulator)
	$(simulator) $(if $(SEED),--seed $(SEED),--from $(or $(FROM),1) --count $(or $(N),10000)) $(if $(LOG),--log $(LOG))

# With SANITIZE=1 or another CC the same numbers are expected. AGAINST= looks at the build at hand only.
sim-digest: ## do 20,000 seeds behave as recorded? WRITE=1 records, AGAINST=COMMIT finds the seed
	$(MAKE) digest
	$(if $(AGAINST)$(SMALL),,$(MAKE) SMALL=1 digest)

digest:
	$(MAKE) $(simulator)
	tests/sim/digest.sh $(if $(AGAINST),against $(AGAINST) '$(MAKE)' $(simulator) $(or $(FROM),1) $(or $(N),1000),\
	    $(if $(WRITE),write,check) $(simulator) $(if $(SMALL),small,whole) $(or $(N),20000))

sim-mutants: ## faults put into the core one by one: the simulator must find each
	$(MAKE) $(simulator)
	tests/sim/mutants.sh $(BUILD) $(CC) $(COMMON) $(CFLAGS) $(if $(MUTANTS),-- $(MUTANTS))

check: ## lint and test: what CI runs
	$(MAKE) lint
	$(MAKE) test

# ---- to look at ---------------------------------------------------------------------------------

demo: deps-test ## a report that survives a server's restart, in a minute
	$(MAKE) all
	HOLDFAST=$(abspath $(BUILD)/holdfast) tests/demo.sh

bench: deps-bench ## libpq and holdfast side by side
	$(MAKE) all $(benches)
	HOLDFAST=$(abspath $(BUILD)/holdfast) BENCHES=$(abspath $(BUILD)/tests/bench) $(PYTHON) tests/bench/run.py

run: $(if $(IMAGE),deps-test) ## with BOARD=mps2-…: the image under QEMU, through a stopped server and a cut cable
	$(if $(IMAGE),:,echo 'make run is for an image: say BOARD=mps2-an386' >&2; exit 1)
	$(MAKE) $(program)
	$(PYTHON) tests/boards/run.py $(program)

size: ## what the code weighs, beside the sizes to reach
	$(MAKE) $(if $(IMAGE),deps-test,$(library)) $(program) $(third)
	$(PYTHON) $(if $(IMAGE),tests/boards/size.py $(program) $(if $(WRITE),--write),\
	    tests/size.py $(BUILD) $(THIRD)/$(VARIANT) $(CC) $(IPSEC_MB) $(CSVLIBS) $(LDLIBS))

-include $(patsubst %.o,%.d,$(unit) $(bench) $(sim) $(fuzz) $(clients:%=%.o)) $(UNIT_WITH:%=$(BUILD)/%.d)
