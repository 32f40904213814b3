/* A number that differs, but for chance, when bytes do. It guards against mistakes and not against malice. */
#ifndef TLEG_TOOLS_DIGEST_H
#define TLEG_TOOLS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_START 0xCBF29CE484222325u

/* Of what `digest` is of, followed by these bytes. */
uint64_t digest_bytes(uint64_t digest, const void *bytes, size_t size);
/* The same however the bytes are cut into calls, and slower: FNV-1a itself. */
uint64_t digest_pieces(uint64_t digest, const void *bytes, size_t size);
uint64_t digest_text(uint64_t digest, const char *text);
/* The size of a file, and with `ends` what it begins and ends with. A file that cannot be read counts as empty. */
uint64_t digest_file(uint64_t digest, const char *path, int ends);

#endif
