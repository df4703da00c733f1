# cmake -DINPUT=file -DOUTPUT=file.c -DNAME=symbol -DHEADER=path -P embed.cmake:
# writes a C source with the bytes of INPUT as NAME and its length as
# NAME_length.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE
       "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
       "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT}
     "/* Generated from ${INPUT}. */\n#include \"${HEADER}\"\n\n"
     "const char ${NAME}[] = {\n${bytes}0};\n"
     "const int64_t ${NAME}_length = sizeof ${NAME} - 1;\n")
