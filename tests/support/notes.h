/* What a context says to its log, kept: every note on a line of its own. */
#ifndef TLEG_TESTS_NOTES_H
#define TLEG_TESTS_NOTES_H

#include <stdio.h>
#include <string.h>
#include <tleg/core.h>

static char note[8192]; /* a test empties it */

static void TLEG_CALL take_note(void *host, const char *text) {
    (void)host;
    snprintf(note + strlen(note), sizeof note - strlen(note), "%s\n", text);
}

#endif
