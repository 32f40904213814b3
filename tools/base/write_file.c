/* Through a new file beside it, so that the former one stays whole until the new one is. */
#include "write_file.h"

#include "private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static bool write_all(int file, const char *text, size_t length) {
    while (length > 0) {
        ssize_t done = write(file, text, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        text += done;
        length -= (size_t)done;
    }
    return true;
}

/* Closes the file too; errno is that of the first failure. */
static bool fill(int file, const char *text, size_t length) {
    bool written = write_all(file, text, length);
    int error = errno;
    if (close(file) != 0 && written)
        return false;
    errno = error;
    return written;
}

/* Nobody reads the new file who could not read the former one: where its group cannot be kept, the group gets what all get. */
static bool keep_rights(int file, const struct stat *former) {
    mode_t mode = former->st_mode & 0777;
    if (fchown(file, (uid_t)-1, former->st_gid) != 0)
        mode = (mode & 0707) | (mode & 0007 & mode >> 3) << 3;
    return fchmod(file, mode) == 0;
}

/* former: what is there, or NULL. */
static bool replace(const char *resolved, const struct stat *former, const char *text, size_t length) {
    size_t name = place_name_at(resolved), size = name + PART_NAME;
    char *part = malloc(size);
    int file = -1;
    for (int i = 0; part && file < 0 && i < MOST_NAMES && (i == 0 || errno == EEXIST); i++) {
        snprintf(part, size, "%.*s.tleg-%ld-%d.tmp", (int)name, resolved, (long)getpid(), i);
        file = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, former ? 0600 : 0666);
    }
    if (file >= 0)
        (void)flock(file, LOCK_EX | LOCK_NB); /* so that nobody takes it for a dead run's */
    bool written = file >= 0 && (!former || keep_rights(file, former));
    if (file >= 0)
        written = fill(file, text, length) && written && rename(part, resolved) == 0;
    int error = errno;
    if (file >= 0 && !written)
        unlink(part);
    free(part);
    errno = error;
    return written;
}

bool write_file(const char *path, const char *text, size_t length) {
    struct stat former;
    bool there = stat(path, &former) == 0;
    if (there && !S_ISREG(former.st_mode)) {
        int file = open(path, O_WRONLY | O_CLOEXEC);
        return file >= 0 && fill(file, text, length);
    }
    char *resolved = place_resolve(path);
    bool written = resolved && replace(resolved, there ? &former : NULL, text, length);
    int error = errno;
    free(resolved);
    errno = error;
    return written;
}
