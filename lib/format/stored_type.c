/* The element types that safetensors defines: those that the library has, and those that it only counts the bytes of. */
#include "format/private.h"

#include <string.h>

static const struct tleg_stored_type types[] = {
    {"F32", 32, TLEG_F32}, {"F16", 16, TLEG_F16}, {"BF16", 16, TLEG_BF16}, {"F64", 64, TLEG_F64}, {"I64", 64, TLEG_I64},
    {"I32", 32, TLEG_I32}, {"U8", 8, TLEG_U8},    {"BOOL", 8, 0},          {"I8", 8, 0},          {"I16", 16, 0},
    {"U16", 16, 0},        {"U32", 32, 0},        {"U64", 64, 0},          {"C64", 64, 0},        {"F8_E4M3", 8, 0},
    {"F8_E5M2", 8, 0},     {"F8_E8M0", 8, 0},     {"F8_E4M3FNUZ", 8, 0},   {"F8_E5M2FNUZ", 8, 0}, {"F6_E2M3", 6, 0},
    {"F6_E3M2", 6, 0},     {"F4", 4, 0},
};

const struct tleg_stored_type *tleg_stored_type_find(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}
