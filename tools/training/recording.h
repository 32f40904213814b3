/* A file of what a teacher said of each picture of some epochs (docs/teachers.md has the format). It is written block by block
 * to PATH.part, which becomes PATH when it is whole. A block is a batch of pictures, with a checksum. */
#ifndef TLEG_TOOLS_RECORDING_H
#define TLEG_TOOLS_RECORDING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORDING_ERROR = 1024 };

struct recording;

/* All three: NULL with the reason, which names the file. The settings are a JSON object with at least "epochs", "places"
 * (pictures of an epoch, a multiple of the batch), "batch" and "classes" (an array with an entry for each). */

/* Starts PATH.part. */
struct recording *recording_create(const char *path, const json_t *settings, char error[RECORDING_ERROR]);
/* Takes up PATH.part again. Blocks up to the first that is missing or damaged are kept. */
struct recording *recording_continue(const char *path, char error[RECORDING_ERROR]);
/* Opens PATH, whose blocks must all be there, with checksums that hold. */
struct recording *recording_open(const char *path, char error[RECORDING_ERROR]);
void recording_close(struct recording *recording); /* NULL is allowed */

const json_t *recording_settings(const struct recording *recording);
uint64_t recording_epochs(const struct recording *recording);
uint64_t recording_blocks(const struct recording *recording); /* of the whole recording */
uint64_t recording_bytes(const struct recording *recording);  /* of the file when it is whole */
uint64_t recording_done(const struct recording *recording);   /* blocks that are there: the first ones */

/* Pictures in a row: those from `place` on, of one epoch. Whether all are there; and their logits (count, classes). */
bool recording_holds(const struct recording *recording, uint64_t epoch, uint64_t place, size_t count);
bool recording_read(struct recording *recording, uint64_t epoch, uint64_t place, size_t count, float *logits,
                    char error[RECORDING_ERROR]);
/* Writes the next block, which must be the one of this place, rounding logits (batch, classes) to f16, in place too. A number
 * that f16 does not hold is refused. The last block makes PATH.part to PATH. */
bool recording_append(struct recording *recording, uint64_t epoch, uint64_t place, float *logits, char error[RECORDING_ERROR]);
/* What was appended is on the disk when this returns. */
bool recording_keep(struct recording *recording, char error[RECORDING_ERROR]);
/* To the beginning of one of the same batches, places and classes goes all that another holds, which is whole. */
bool recording_copy(struct recording *recording, struct recording *whole, char error[RECORDING_ERROR]);
/* Makes PATH.part to PATH once all its blocks are there, as those of a run are that was killed before it did; else nothing. */
bool recording_finish(struct recording *recording, char error[RECORDING_ERROR]);

#endif
