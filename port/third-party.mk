# The sources of others that a board is built with: fetched to build/third-party/NAME, and compiled to an archive.
fetched := $(THIRD_PARTY:%=$(THIRD)/.fetched-%)

$(fetched): $(THIRD)/.fetched-%: port/third-party.sh $(wildcard port/*/*.patch) | needs
	port/third-party.sh $*
	touch $@

third        := $(THIRD_PARTY:%=$(THIRD)/$(VARIANT)/lib%.a)

$(THIRD)/$(VARIANT)/.flags: FORCE | needs $(sysroot)
	@$(call told,$(third_flags) $(WITH) $(MBEDTLS_FLAGS))

# One for all builds of a target, with sanitizers or without: made by its gcc. Two makes may come to it at once: each
# compiles in a folder of its own (the shell's number), and the archive is there whole or not at all.
third_party = here=$(@:.a=).$$$$ && trap 'rm -rf $$here' EXIT && \
              $(MAKE) -f port/archive.mk LIB=$$here/$(@F) INTO=$@ CC=$(CROSS)gcc AR=$(CROSS)ar
third_flags = $(or $(THIRD_CFLAGS),-O2 -g) -ffile-prefix-map=$(CURDIR)=. -ffunction-sections -fdata-sections \
              $(MACHINE) $(THIRD_HARDENING)
$(third): $(THIRD)/$(VARIANT)/.flags port/archive.mk

$(THIRD)/$(VARIANT)/libmbedtls.a: $(THIRD)/.fetched-mbedtls $(wildcard port/mbedtls/*_config.h) port/mbedtls/gcm_whole.h
	@echo 'building mbedTLS$(MBEDTLS_NOTE)'
	+$(third_party) SOURCES='$(THIRD)/mbedtls/library/*.c' FAST='$(MBEDTLS_FAST)' $(MBEDTLS_FLAGS) \
	    CFLAGS="$(third_flags) $(WITH) -I$(THIRD)/mbedtls/include $(MBEDTLS_USE)"

$(THIRD)/$(VARIANT)/libcjson.a: $(THIRD)/.fetched-cjson
	@echo 'building cJSON'
	+$(third_party) SOURCES=$(THIRD)/cjson/cJSON.c CFLAGS="$(third_flags)"

lwip = $(THIRD)/lwip/src
$(THIRD)/$(VARIANT)/liblwip.a: $(THIRD)/.fetched-lwip $(wildcard port/lwip/*opts.h port/lwip/arch/*.h $(or $(LWIPOPTS_FROM),boards/$(BOARD))/lwipopts.h)
	@echo 'building lwIP'
	+$(third_party) SOURCES='$(lwip)/core/*.c $(lwip)/core/ipv4/*.c $(lwip)/core/ipv6/*.c $(lwip)/netif/ethernet.c' \
	    CFLAGS="$(third_flags) -I$(lwip)/include -Icore/include -Iport/lwip -I$(or $(LWIPOPTS_FROM),boards/$(BOARD))"
