# How it is linted. `make lint` installs what it needs.
code    := $(call sources,$(LINT))
all_c    = $(shell find core port platform boards tests -name '*.[ch]')
shells  := $(wildcard boards/*/*.sh port/*.sh tests/*.sh tests/*/*.sh) .ci/run
lints   := lint-arrows lint-format lint-shell lint-symbols lint-tidy lint-tidy-lwip lint-tidy-images
.PHONY: lint format $(lints)

lint: deps-lint ## arrows, format, clang and clang-tidy, shellcheck; no tests
	$(MAKE) -k $(lints) || { echo 'lint: FAILED, repeat with: make lint'; exit 1; }
	@echo 'lint: clean'

lint-arrows: # the rules of the tree, and that each claim of the documents has its test
	$(PYTHON) tests/lint/selftest.py
	$(PYTHON) tests/lint/arrows.py
	$(PYTHON) tests/lint/traceability.py

lint-format:
	clang-format --dry-run -Werror $(all_c) || { echo 'to repeat: make lint-format; to mend: make format'; exit 1; }

format: ## rewrite the C files in the one style
	clang-format -i $(all_c)

lint-shell:
	shellcheck $(shells)

lint-symbols: $(core) $(library) $(library_test) # what the linker sees
	tests/lint/symbols.sh core $(core)
	tests/lint/symbols.sh library $(library) $(library_test)

# One stamp for each file: again only when it or a header of it changed.
lint-tidy: $(patsubst %.c,$(BUILD)/%.tidy,$(code))
$(BUILD)/%.tidy: $(BUILD)/%.o .clang-tidy tests/.clang-tidy
	@echo 'clang-tidy $*.c'
	clang $(call compile,$*.c) $(CLANG_CFLAGS) -fsyntax-only $*.c
	clang-tidy --quiet $*.c -- $(call compile,$*.c) $(CLANG_CFLAGS) 2>&1 | { ! grep -v -e 'warnings\? generated' -e '^Suppressed' -e '^Use -header'; }
	touch $@

lint-tidy-lwip: # what that board alone compiles
	$(MAKE) BOARD=linux-lwip lint-tidy

lint-tidy-images: # what is compiled for a Cortex-M alone
	$(MAKE) BOARD=mps2-an386 lint-tidy
	$(MAKE) BOARD=mps2-an505 lint-tidy
