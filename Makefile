# SPDX-License-Identifier: GPL-2.0
# Top-level targets of mqbus. The module itself is described by Kbuild, the
# libraries and the tool by their own Makefiles.

SHELL := /bin/bash
VERSION := $(shell cat VERSION)
KERNEL ?= 6.1
KERNELS ?= $(KERNEL)
DEBUG_KERNELS ?= debug-a debug-b
# that of the command line or of the environment, if there is one
FUZZ_KERNEL := $(if $(filter file default,$(origin KERNEL)),debug-a,$(KERNEL))
T ?= 10m
O := $(CURDIR)/build
PREFIX ?= /usr/local
DESTDIR ?=

V ?= 0
ifeq ($(V),0)
Q := @
S := -s
MAKEFLAGS += --no-print-directory
endif

# A value as one bash word, whatever is in it: newlines, quotes, dollars.
define NL


endef
quote = $$'$(subst $(NL),\n,$(subst ',\',$(subst \,\\,$(1))))'
# RUN reaches the guest as written, so make must not expand it on its way.
unexport RUN
ifneq ($(value RUN),)
MAKEOVERRIDES :=
endif

## help            this list (the default)
help:
	@echo "mqbus $(VERSION)"
	@sed -n 's/^##  /        /p; s/^## /  make /p' Makefile
	@echo
	@echo "KERNEL=6.1|6.12|debug-a|debug-b|debug-c chooses the kernel to build for and to boot; V=1 shows commands."
	@echo "Settings of the virtual machine: selftests/vm/vm --help"

## deps            install what building and testing needs (apt, as root or with sudo)
deps:
	$(Q)scripts/deps.sh check

# What library, tools and a module for the running kernel need is looked for, and nothing
# is installed; what the virtual machine needs is installed.
deps-build:
	$(Q)scripts/deps.sh build

deps-vm:
	$(Q)scripts/deps.sh vm

# What is installed for the machine is there when the library looks
ifneq ($(filter all vm shell demo module,$(MAKECMDGOALS)),)
deps-build: $(if $(filter running,$(KERNEL)),,deps-vm)
endif

## all             module for KERNEL, libraries and tool, into build/
all: module user

## module          the module, for the stock Debian kernel KERNEL, or "running": build/KERNEL/mqbus.ko
module: $(if $(filter running,$(KERNEL)),deps-build,deps-vm)
	$(Q)scripts/build-module.sh $(KERNEL) V=$(V)

## user            libraries and tool: build/lib, build/tools
user: lib tools

lib: deps-build
	$(Q)if [ -e userlib/Makefile ]; then $(MAKE) $(S) -C userlib O=$(O); fi

tools: lib
	$(Q)if [ -e tools/Makefile ]; then $(MAKE) $(S) -C tools O=$(O); fi

## vm RUN='...'    run a command in a virtual machine with the module loaded
vm: all
	$(Q)$(if $(value RUN),,echo "make vm: say what to run: make vm RUN='command'" >&2; exit 2;) \
	selftests/vm/vm $(call quote,$(value RUN))

## shell           interactive shell in such a virtual machine
shell: all
	$(Q)selftests/vm/vm --shell

## demo            a tour of mqbus, in a virtual machine
demo: all
	$(Q)selftests/vm/vm scripts/demo.sh

## check           all checks and tests; KERNELS='6.1 6.12' tests on both
check: deps
	$(Q)KERNELS='$(KERNELS)' selftests/run

## check-debug     the tests, all scripts too, on kernels with KASAN, lockdep, kmemleak; KCSAN
check-debug: deps
	$(Q)KERNELS='$(DEBUG_KERNELS)' SCRIPTS=all selftests/run vm fuzz

## check-all       what takes hours, before a release: check and check-debug with all scripts, all that is
##                 broken on purpose, coverage, an hour of make fuzz on each debug kernel
check-all: deps
	$(Q)status=0; \
	SCRIPTS=all $(MAKE) check KERNELS='6.1 6.12' || status=1; \
	$(MAKE) check-debug || status=1; \
	selftests/faults/run || status=1; \
	$(MAKE) -C selftests/core O=$(O) mutate || status=1; \
	$(MAKE) coverage || status=1; \
	for k in debug-a debug-b; do $(MAKE) fuzz T=1h KERNEL=$$k || status=1; done; \
	exit $$status

## fuzz            calls at random against the module; T=10m, KERNEL=debug-a (the default), debug-b, 6.1
fuzz: deps
	$(Q)KERNEL='$(FUZZ_KERNEL)' T='$(T)' selftests/fuzz/run

## coverage        which lines of the module the tests reach (debug kernel C)
coverage: deps
	$(Q)selftests/coverage/run

## layers          which part of the module uses which; fails if lower uses upper
layers: deps
	$(Q)scripts/build-module.sh $(KERNEL) V=$(V) >/dev/null && selftests/static/layers build/$(KERNEL)

## latency         how long spinlocks are held at the worst, in instructions
latency: deps
	$(Q)KERNEL='$(KERNEL)' selftests/cost/latency.sh

## ynl             write the netlink code anew from uapi/mqbus.yaml
ynl: deps
	$(Q)scripts/ynl.sh

## load            build for the running kernel and load (as root)
load: deps-build unload
	$(Q)scripts/load.sh V=$(V)

## unload          unload it (as root)
unload:
	$(Q)if [ -e /sys/module/mqbus ]; then rmmod mqbus; fi

## install         libraries, headers, tool, manual pages, completion for bash; PREFIX=, DESTDIR=
install: user
	$(Q)for d in userlib tools; do \
		if [ -e $$d/Makefile ]; then \
			$(MAKE) $(S) -C $$d O=$(O) PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' install || exit; \
		fi; \
	done
	$(Q)[ -n '$(DESTDIR)' ] || ldconfig

## dkms-install    install the module through DKMS for the installed kernels (as root)
dkms-install: deps-build
	$(Q)scripts/dkms.sh install

## dkms-uninstall  and remove it again
dkms-uninstall:
	$(Q)scripts/dkms.sh uninstall

## clean           remove what was built
clean:
	$(Q)rm -rf build

## distclean       and the downloaded kernels too
distclean: clean
	$(Q)rm -rf "$${MQBUS_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/mqbus}"

.PHONY: help deps deps-build deps-vm all module user lib tools vm shell demo check check-debug latency fuzz coverage layers check-all ynl load unload install \
	dkms-install dkms-uninstall clean distclean
