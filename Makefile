# SPDX-License-Identifier: Apache-2.0
# Builds bulkhead: host program, guest-init, guest kernel, initramfs. `make help` lists the targets.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
BUILD := build
VERSION := 0.1.0
COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

# `make V=1` shows the commands themselves.
Q := $(if $(V),,@)
say = @printf '  %-7s %s\n' $(1) $(2)

# --- compilers and flags -------------------------------------------------------------------------

CC := gcc
CLANG := clang

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wundef -Wvla -Walloca -Wcast-qual \
	-Wcast-align -Wpointer-arith -Wwrite-strings -Wswitch-enum -Wnull-dereference \
	-Wimplicit-fallthrough -Wframe-larger-than=8192 -Werror
GCC_WARNINGS := -Wduplicated-cond -Wduplicated-branches -Wlogical-op
CLANG_WARNINGS := -Wconditional-uninitialized
COMMON := -std=gnu11 -D_GNU_SOURCE -I. -g -fno-strict-aliasing -fno-delete-null-pointer-checks \
	$(WARNINGS)
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection=full -ftrivial-auto-var-init=zero
RELEASE := -O2 $(HARDENING) -fPIE $(GCC_WARNINGS)
SANITIZE := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FREESTANDING := -O2 -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -mgeneral-regs-only -mno-red-zone
LINK_HARDENING := -Wl,-z,relro,-z,now,-z,noexecstack
LIBS := -ljansson -lfdt -lcap -lseccomp -lmnl -lpthread

# --- sources -------------------------------------------------------------------------------------

VMM_SOURCES := $(sort $(wildcard vmm/*.c vmm/*/*.c vmm/*/*/*.c))
VMM_LIB_SOURCES := $(filter-out vmm/main.c,$(VMM_SOURCES))
INIT_SOURCES := $(sort $(wildcard guest-init/*.c))
INIT_LIB_SOURCES := $(filter-out guest-init/main.c,$(INIT_SOURCES))
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_HELPERS := $(filter-out tests/unit/test_%,$(sort $(wildcard tests/unit/*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_HELPERS := $(filter-out tests/fuzz/fuzz_%,$(sort $(wildcard tests/fuzz/*.c)))
GUEST_PROGRAMS := $(patsubst tests/guest/%.c,%,$(sort $(wildcard tests/guest/*.c)))

PAYLOAD_SOURCES := $(sort $(wildcard tests/guests/*.c)) tests/guests/entry.S

# Each variant of the objects has a directory of its own: release, asan, fuzz, coverage.
objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))

.PHONY: all host guest-init kernel rootfs demo test unit unit-programs guest-programs \
	guest-payloads fuzzers fuzz coverage check-mutants bench bench-compare clang lint install \
	clean help FORCE

all: host guest-init kernel rootfs ## Build everything
host: $(BUILD)/bulkhead ## Build the host program
guest-init: $(BUILD)/guest-init ## Build PID 1 of the guest
rootfs: $(BUILD)/initramfs.cpio ## Build the initramfs around guest-init

# --- host program and guest-init -----------------------------------------------------------------

# Rewritten only when it changes, so that the version is never an earlier commit's.
$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION) $(COMMIT)' | cmp -s - $@ || echo '$(VERSION) $(COMMIT)' >$@
$(BUILD)/release/vmm/cli/version.o: $(BUILD)/version
$(BUILD)/release/vmm/cli/version.o: COMMON += -DBULKHEAD_VERSION='"$(VERSION)"' -DBULKHEAD_COMMIT='"$(COMMIT)"'

# What runs in each of the processes once it is sealed, counted without comments and empty lines.
# boot/ has done its work by then: it reads the host's kernel, and no guest has run. So has what
# restores a machine from a template; what saves one is the template maker's. What asks KVM about
# itself before there is a machine is the command line's.
SANDBOX_SOURCES := $(filter-out %_calls.c,$(wildcard vmm/sandbox/*.[ch]))
TEMPLATE_SOURCES := $(wildcard vmm/machine_template.[ch] vmm/base/byte_stream.[ch] \
	vmm/kvm/x86_64/snapshot.[ch] vmm/memory/guest_memory_file.[ch] \
	vmm/virtio/device_state.[ch] vmm/container/template_maker.[ch])
MONITOR_SOURCES := $(sort $(SANDBOX_SOURCES) vmm/sandbox/monitor_calls.c \
	$(filter-out $(TEMPLATE_SOURCES) vmm/kvm/kvm_host.% vmm/kvm/probe.%, $(wildcard \
	vmm/base/*.[ch] vmm/memory/*.[ch] vmm/kvm/*.[ch] vmm/kvm/*/*.[ch] vmm/event/*.[ch] \
	vmm/bus/*.[ch] vmm/backend/*.[ch] vmm/virtio/*.[ch] vmm/session/*.[ch] vmm/machine.[ch] \
	vmm/container/monitor.[ch] vmm/container/launch_message.[ch] guest-init/protocol.h)))
FILE_SERVER_SOURCES := $(sort $(SANDBOX_SOURCES) vmm/sandbox/file_server_calls.c \
	$(filter-out $(TEMPLATE_SOURCES), $(wildcard \
	vmm/base/*.[ch] vmm/backend/fs_channel.[ch] vmm/backend/packet.[ch] \
	vmm/backend/socket_channel.[ch] \
	vmm/file_server/*.[ch] vmm/container/*.[ch] vmm/host_cgroup/oom_report.[ch] \
	guest-init/protocol.h)))
NETWORK_SOURCES := $(sort $(SANDBOX_SOURCES) vmm/sandbox/network_process_calls.c \
	$(filter-out $(TEMPLATE_SOURCES), $(wildcard \
	vmm/base/*.[ch] vmm/backend/network_channel.[ch] vmm/backend/packet.[ch] \
	vmm/backend/socket_channel.[ch] \
	vmm/network/*.[ch] vmm/container/network_start.[ch])))

MAKER_SOURCES := $(sort $(TEMPLATE_SOURCES) vmm/sandbox/template_maker_calls.c \
	$(filter-out vmm/session/% vmm/container/monitor.%,$(MONITOR_SOURCES)))

$(BUILD)/lines.h: $(MONITOR_SOURCES) $(FILE_SERVER_SOURCES) $(NETWORK_SOURCES) $(MAKER_SOURCES)
	@mkdir -p $(@D)
	@lines() { for f; do $(CC) -fpreprocessed -dD -E -P $$f 2>/dev/null; done | wc -l; }; \
	printf '#define %s_LINES %d\n' MONITOR $$(lines $(MONITOR_SOURCES)) \
		FILE_SERVER $$(lines $(FILE_SERVER_SOURCES)) \
		NETWORK $$(lines $(NETWORK_SOURCES)) \
		MAKER $$(lines $(MAKER_SOURCES)) >$@
SURFACE_OBJECTS := $(foreach variant,release asan fuzz coverage, \
	$(BUILD)/$(variant)/vmm/cli/surface.o)
$(SURFACE_OBJECTS): $(BUILD)/lines.h
$(SURFACE_OBJECTS): COMMON += -include $(BUILD)/lines.h

$(BUILD)/release/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(COMMON) $(RELEASE) -MMD -MP -c $< -o $@

$(BUILD)/asan/%.o: %.c
	@mkdir -p $(@D)
	$(call say,ASAN,$<)
	$(Q)$(CC) $(COMMON) $(SANITIZE) $(GCC_WARNINGS) -MMD -MP -c $< -o $@

# Every fetch from memory that others write to is seen and may be followed by a change: in these
# folders by each load, everywhere by each copy (tests/fuzz/fetch_watch.h).
SHARED_READERS := memory virtio file_server
WRAP_COPIES := -Wl,--wrap=__asan_memcpy
COUNT_LINES := -fprofile-instr-generate -fcoverage-mapping
$(foreach folder,$(SHARED_READERS),$(BUILD)/fuzz/vmm/$(folder)/%.o) \
$(foreach folder,$(SHARED_READERS),$(BUILD)/coverage/vmm/$(folder)/%.o): \
	WATCH_LOADS := -fsanitize=fuzzer-no-link -fsanitize-coverage=trace-loads

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(COMMON) $(SANITIZE) $(CLANG_WARNINGS) -fsanitize=fuzzer-no-link \
		$(WATCH_LOADS) -MMD -MP -c $< -o $@

# Without warnings: unit tests are gcc's, whose warnings are others.
$(BUILD)/coverage/%.o: %.c
	@mkdir -p $(@D)
	$(call say,COVER,$<)
	$(Q)$(CLANG) $(COMMON) -w $(SANITIZE) $(COUNT_LINES) $(WATCH_LOADS) -MMD -MP -c $< -o $@

$(BUILD)/bulkhead: $(call objects,release,$(VMM_SOURCES))
	$(call say,LINK,$@)
	$(Q)$(CC) -pie $(LINK_HARDENING) $^ -o $@ $(LIBS)

$(BUILD)/guest-init: $(call objects,release,$(INIT_SOURCES))
	$(call say,LINK,$@)
	$(Q)$(CC) -static-pie -s $(LINK_HARDENING) $^ -o $@ -ljansson -lcap

$(BUILD)/%/libbulkhead.a:
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

$(BUILD)/asan/libbulkhead.a: $(call objects,asan,$(VMM_LIB_SOURCES) $(INIT_LIB_SOURCES))
$(BUILD)/fuzz/libbulkhead.a: $(call objects,fuzz,$(VMM_LIB_SOURCES) $(INIT_LIB_SOURCES))
$(BUILD)/coverage/libbulkhead.a: $(call objects,coverage,$(VMM_LIB_SOURCES) $(INIT_LIB_SOURCES))

# --- guest kernel and initramfs ------------------------------------------------------------------

# The script knows by content when there is something to do: also after an upgrade of the kernel's
# source package. It leaves an unchanged file alone.
kernel: $(BUILD)/vmlinux ## Build the guest kernel (cached by content)
$(BUILD)/vmlinux: FORCE
	@mkdir -p $(@D)
	@kernel/build.sh $@
FORCE:

$(BUILD)/initramfs.cpio: $(BUILD)/guest-init rootfs/build-initramfs.sh
	$(call say,CPIO,$@)
	$(Q)rootfs/build-initramfs.sh $(BUILD)/guest-init $@

# --- tests ---------------------------------------------------------------------------------------

$(BUILD)/unit/%: $(BUILD)/asan/tests/unit/%.o $(call objects,asan,$(UNIT_HELPERS)) \
		$(BUILD)/asan/libbulkhead.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=address,undefined $^ -o $@ $(LIBS)

$(BUILD)/fuzzers/%: $(BUILD)/fuzz/tests/fuzz/%.o \
		$(call objects,fuzz,$(UNIT_HELPERS) $(FUZZ_HELPERS)) $(BUILD)/fuzz/libbulkhead.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined $(WRAP_COPIES) $^ -o $@ $(LIBS)

# Unit tests and fuzzers that count the lines they reach.
COVERAGE_HELPERS := $(call objects,coverage,$(UNIT_HELPERS) $(FUZZ_HELPERS))
$(BUILD)/coverage/unit/%: $(BUILD)/coverage/tests/unit/%.o $(COVERAGE_HELPERS) \
		$(BUILD)/coverage/libbulkhead.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CLANG) -fsanitize=address,undefined $(COUNT_LINES) $(WRAP_COPIES) $^ -o $@ $(LIBS)

$(BUILD)/coverage/fuzzers/%: $(BUILD)/coverage/tests/fuzz/%.o $(COVERAGE_HELPERS) \
		$(BUILD)/coverage/libbulkhead.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined $(COUNT_LINES) $(WRAP_COPIES) $^ \
		-o $@ $(LIBS)

$(BUILD)/guest/%: tests/guest/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(COMMON) -O2 $(GCC_WARNINGS) -static $< -o $@

# A kernel image of its own (tests/guests/README.md).
$(BUILD)/payload/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(COMMON) $(FREESTANDING) $(GCC_WARNINGS) -MMD -MP -c $< -o $@

$(BUILD)/payload/%.o: %.S
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) -c $< -o $@

$(BUILD)/hostile-guest: tests/guests/payload.ld \
		$(patsubst %,$(BUILD)/payload/%.o,$(basename $(PAYLOAD_SOURCES)))
	$(call say,LINK,$@)
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,--build-id=none,-z,max-page-size=4096 \
		-Wl,-z,noexecstack,--no-warn-rwx-segments -T $^ -o $@

.SECONDARY:

unit: $(addprefix $(BUILD)/unit/,$(UNIT_TESTS)) ## Run the unit tests (ASan, UBSan; no KVM needed)
	tests/run-unit $^

# The attacker of the sandbox's tests, loaded into the program itself.
$(BUILD)/takeover.so: $(wildcard tests/sandbox/*.[ch])
	$(call say,LINK,$@)
	$(Q)$(CC) $(COMMON) -O2 $(GCC_WARNINGS) -fPIC -shared $(filter %.c,$^) -o $@ -ldl

guest-programs: $(BUILD)/takeover.so $(addprefix $(BUILD)/guest/,$(GUEST_PROGRAMS))
guest-payloads: $(BUILD)/hostile-guest
fuzzers: $(addprefix $(BUILD)/fuzzers/,$(FUZZERS))

# The fuzzers' objects are clang's, with all of its warnings: all sources are among them.
clang: $(call objects,fuzz,$(VMM_SOURCES) $(INIT_SOURCES))

fuzz: fuzzers ## Fuzz every target for FUZZ_SECONDS (default 60), going on from build/corpus
	FUZZ_CORPUS=$(BUILD)/corpus tests/run-fuzz $(FUZZ_SECONDS) \
		$(addprefix $(BUILD)/fuzzers/,$(FUZZERS))

COVERAGE_PROGRAMS := $(addprefix $(BUILD)/coverage/unit/,$(UNIT_TESTS)) \
	$(addprefix $(BUILD)/coverage/fuzzers/,$(FUZZERS))
coverage: $(COVERAGE_PROGRAMS) ## Say which lines unit tests and corpora reach; 90 % is the least
	tests/coverage $(BUILD)/coverage

check-mutants: all unit-programs ## Put known bugs back, one at a time: does a test notice?
	tests/run-mutants

bench: all guest-programs ## Measure (all, or BENCH='start ..'), in a host that counts instructions
	tests/bench/run $(BENCH)

bench-compare: all guest-programs ## Measure revision REV beside this one
	tests/bench/compare "$(REV)" $(BENCH)

lint: clang ## Formatting, layers, headers, shellcheck, cppcheck, clang-tidy
	tests/lint/run

# The kernel takes longest, and needs little to begin with: beside the others from the start.
test: ## Install what is missing, build, and run every test
	@tests/install-packages build
	@$(MAKE) --no-print-directory kernel & kernel=$$!; \
	tests/install-packages && $(MAKE) --no-print-directory -j2 host guest-init rootfs \
		unit-programs guest-programs guest-payloads fuzzers clang || \
		{ kill $$kernel; wait $$kernel; exit 1; }; \
	wait $$kernel
	@tests/run

unit-programs: $(addprefix $(BUILD)/unit/,$(UNIT_TESTS))

demo: ## Install what is missing, build, and run a container
	@tests/install-packages
	@$(MAKE) --no-print-directory -j2 all
	@tests/demo

install: all ## Install below DESTDIR/PREFIX (default /usr/local)
	install -D -m 755 $(BUILD)/bulkhead $(DESTDIR)$(PREFIX)/bin/bulkhead
	install -D -m 644 $(BUILD)/vmlinux $(DESTDIR)$(PREFIX)/lib/bulkhead/vmlinux
	install -D -m 644 $(BUILD)/initramfs.cpio $(DESTDIR)$(PREFIX)/lib/bulkhead/initramfs.cpio

clean: ## Remove everything built here (not the kernel cache)
	rm -rf $(BUILD)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
