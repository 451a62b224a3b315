# Compiles the .c files of one folder of third-party source to an archive; run by third-party.mk as
#   $(MAKE) -f port/archive.mk LIB=FOLDER/libNAME.a INTO=… SOURCES=… CC=… CFLAGS=… [FAST='names of files worth -O3']
#       [FLAGS_NAME=…]
# where FLAGS_NAME is what NAME.c alone is compiled with: instructions that it uses only where the processor has them.
# A make of its own because which files there are is known only after they have been fetched.
objects := $(patsubst %.c,$(LIB:.a=)/%.o,$(notdir $(wildcard $(SOURCES))))
vpath %.c $(sort $(dir $(SOURCES)))

$(LIB): $(objects)
	@$(AR) rcsD $@ $^
	@mv $@ $(INTO)

$(LIB:.a=)/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(FLAGS_$*) $(if $(filter $*,$(notdir $(FAST))),-O3) -c $< -o $@
