/* A program as teacher (--teacher-command): images go to its standard input, logits come from its standard output. The protocol
 * is described in docs/teachers.md. */
#ifndef TLEG_TOOLS_TEACHER_COMMAND_H
#define TLEG_TOOLS_TEACHER_COMMAND_H

#include "data/dataset.h"

enum { TEACHER_ERROR = 1024, TEACHER_NAME = 128 };

struct teacher_command_options {
    const char *command;
    const struct dataset *set; /* its classes */
    const tleg_config *config; /* of the student: how images are prepared */
    int32_t batch;             /* most images of a question */
    double limit;              /* seconds for an answer, and for the start */
};

struct teacher_command;

/* Starts the program, and waits until it is ready. NULL with the reason; *stopped: because a signal asks us to end. */
struct teacher_command *teacher_command_start(const struct teacher_command_options *options, char error[TEACHER_ERROR],
                                              bool *stopped);
/* What the program calls itself, or "". */
const char *teacher_command_name(const struct teacher_command *teacher);
/* logits (count, classes) for images (count, channels, image_size, image_size), all finite. False likewise; the teacher can
 * then only be ended. */
bool teacher_command_ask(struct teacher_command *teacher, size_t count, const float *images, float *logits,
                         char error[TEACHER_ERROR], bool *stopped);
/* Ends the program; NULL is allowed. A note where it did not end well. */
void teacher_command_end(const struct invocation *call, struct teacher_command *teacher);

#endif
