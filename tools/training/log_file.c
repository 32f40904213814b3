/* The file of --log: opened where it is this run's, whole lines alone, and known again by a digest when the run goes on. */
#include "private.h"

#include "base/digest.h"
#include "base/place.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_OF_A_LINE = 1 << 16, PIECE = 1 << 16 };

/* ---- whose it is ---- */

/* Of the first `count` bytes; false where there are fewer. */
static bool digest_start(int file, int64_t count, uint64_t *sum) {
    char piece[PIECE];
    *sum = DIGEST_START;
    for (int64_t at = 0; at < count;) {
        int64_t left = count - at;
        ssize_t done = pread(file, piece, left < PIECE ? (size_t)left : PIECE, (off_t)at);
        if (done <= 0)
            return false;
        *sum = digest_pieces(*sum, piece, (size_t)done);
        at += done;
    }
    return true;
}

/* The setup in a log's first line; NULL where it is not one of ours. */
static json_t *read_setup(int file) {
    char *text = malloc(MOST_OF_A_LINE);
    ssize_t length = text ? pread(file, text, MOST_OF_A_LINE, 0) : 0;
    const char *end = length > 0 ? memchr(text, '\n', (size_t)length) : NULL;
    json_t *setup = end ? json_loadb(text, (size_t)(end - text), 0, NULL) : NULL;
    free(text);
    if (json_is_string(json_object_get(setup, "verb")) && json_is_string(json_object_get(setup, "output")))
        return setup;
    json_decref(setup);
    return NULL;
}

/* A run that begins anew writes over -o, and so over the log of the runs that wrote -o before; over no other. Where -o is seen
 * from the log's folder is what is compared, so that both may move. */
static int check_new(const struct state *state, int file) {
    const char *path = state->options->log;
    json_t *setup = read_setup(file);
    char *from = place_from(path, state->options->out), *out = from ? text_repaired(from) : NULL; /* as the log has it */
    const char *wrote = json_string_value(json_object_get(setup, "output"));
    int code = EXIT_DONE;
    if (!out)
        code = tool_fail_memory(state->call);
    else if (!setup)
        code = tool_fail(state->call, "%s: there is a file already, and it is not the log of a run: give another --log", path);
    else if (strcmp(wrote, out) != 0)
        code = tool_fail(state->call, "%s: the log of a run that wrote %s; here %s is written: give another --log", path, wrote,
                         out);
    json_decref(setup);
    free(from);
    free(out);
    return code;
}

/* A checkpoint of an earlier version knows no more of its log than that it had so many bytes, of whole lines. */
static bool is_of_an_earlier_version(int file, int64_t bytes) {
    char start[32] = "", end = 0;
    return pread(file, start, sizeof start - 1, 0) > 0 && strncmp(start, "{\"verb\":", 8) == 0 &&
           pread(file, &end, 1, (off_t)(bytes - 1)) == 1 && end == '\n';
}

/* One that goes on had so much of it when its checkpoint was written. */
static int check_former(const struct state *state, int file, int64_t bytes, const char *sum) {
    uint64_t found;
    char text[LOG_DIGEST];
    if (bytes > 0 && !sum && is_of_an_earlier_version(file, bytes))
        return EXIT_DONE;
    if (bytes > 0 && digest_start(file, bytes, &found) && training_log_digest(found, text) && sum && strcmp(sum, text) == 0)
        return EXIT_DONE;
    return tool_fail(state->call, "%s: not the log of the run that %s holds, %s: give another --log", state->options->log,
                     state->checkpoint, bytes > 0 ? "which begins otherwise" : "which had none");
}

/* ---- opening ---- */

/* What is kept of a file of `size` bytes; -1 in a file that is another's. */
static int64_t bytes_to_keep(const struct state *state, int file, int64_t size, const struct log_mark *former) {
    if (size == 0)
        return 0;
    if (!former)
        return check_new(state, file) == EXIT_DONE ? 0 : -1;
    return check_former(state, file, former->bytes, former->digest) == EXIT_DONE ? former->bytes : -1;
}

static int take(struct state *state, const struct log_mark *former) {
    struct log_file *log = &state->log;
    const char *path = state->options->log;
    struct stat is;
    if (fstat(log->file, &is) != 0)
        return tool_fail(state->call, "%s: %s", path, strerror(errno));
    log->bytes = 0;
    log->digest = DIGEST_START;
    log->regular = S_ISREG(is.st_mode);
    if (!log->regular)
        return EXIT_DONE;
    if (flock(log->file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return tool_fail(state->call, "%s: another run writes it: wait until that has ended, or give another --log", path);
    int64_t keep = bytes_to_keep(state, log->file, (int64_t)is.st_size, former);
    if (keep < 0)
        return EXIT_FAILED;
    if (!digest_start(log->file, keep, &log->digest) || ftruncate(log->file, (off_t)keep) != 0)
        return tool_fail(state->call, "%s: %s", path, strerror(errno));
    log->bytes = keep;
    return EXIT_DONE;
}

int training_open_log(struct state *state, const struct log_mark *former) {
    const char *path = state->options->log;
    struct stat there;
    if (!path || !training_first(state))
        return EXIT_DONE;
    bool other = stat(path, &there) == 0 && !S_ISREG(there.st_mode); /* a pipe, which nobody reads back */
    state->log.file = open(path, (other ? O_WRONLY : O_RDWR | O_CREAT) | O_APPEND | O_CLOEXEC, 0666);
    return state->log.file >= 0 ? take(state, former) : tool_fail(state->call, "%s: %s", path, strerror(errno));
}

int training_keep_log(const struct state *state) {
    if (state->log.file < 0 || !state->log.regular || fsync(state->log.file) == 0 || errno == EINVAL)
        return EXIT_DONE;
    return tool_fail(state->call, "%s: %s", state->options->log, strerror(errno));
}

void training_close_log(struct state *state) {
    if (state->log.file >= 0)
        close(state->log.file);
    state->log.file = -1;
}

/* ---- writing ---- */

const char *training_log_digest(uint64_t sum, char text[LOG_DIGEST]) {
    snprintf(text, LOG_DIGEST, "%016" PRIx64, sum);
    return text;
}

static bool write_all(int file, const char *text, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = write(file, text + done, length - done);
        if (count < 0 && errno != EINTR)
            return false;
        done += count > 0 ? (size_t)count : 0;
    }
    return true;
}

bool training_write_log(struct state *state, const char *line) {
    struct log_file *log = &state->log;
    size_t length = strlen(line) + 1;
    if (log->file < 0)
        return true;
    char *text = malloc(length + 1);
    if (!text)
        return false;
    snprintf(text, length + 1, "%s\n", line);
    bool written = write_all(log->file, text, length);
    if (written) {
        log->bytes += (int64_t)length;
        log->digest = digest_pieces(log->digest, text, length);
    } else if (log->regular) { /* no half a line */
        int error = errno;
        errno = ftruncate(log->file, (off_t)log->bytes) == 0 ? error : errno;
    }
    free(text);
    return written;
}
