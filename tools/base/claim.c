/* Keeps a place from other runs, by a lock on a small file beside it, `.tleg-HASH.lock`. The system takes locks of a process
 * back when it ends, however it ends, so that a lock never outlives its run; the small file may, and is then taken over or
 * removed by the next run. Locks are of open files (flock): NFS has them among its clients, and no other descriptor that this
 * process closes loses them. */
#include "digest.h"
#include "private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { OWNER_TEXT = 160, MOST_TRIES = 100, PATIENT_TRIES = 20 };

static struct claim {
    int file;
    char *lock; /* its path */
    struct claim *next;
} * claims;

/* Whether `path` in `folder` (a descriptor, or AT_FDCWD) is the very file that is open. */
static bool is_at(int folder, const char *path, int file) {
    struct stat open, named;
    return fstat(file, &open) == 0 && open.st_nlink > 0 && fstatat(folder, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

/* ---- the lock's file ---- */

/* Of a fixed length, however long the file's own name is. */
static char *lock_path(const char *resolved) {
    size_t name = place_name_at(resolved), size = name + PART_NAME;
    char *path = malloc(size);
    const uint64_t hash = digest_pieces(DIGEST_START, resolved + name, strlen(resolved + name));
    if (path)
        snprintf(path, size, "%.*s.tleg-%016llx.lock", (int)name, resolved, (unsigned long long)hash);
    return path;
}

/* Another user's can be locked by whoever may read it. */
static int open_lock(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    return file < 0 && errno == EACCES ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : file;
}

/* Says whose it is, in a file that is nobody else's. */
static void sign(int file) {
    char text[OWNER_TEXT], host[80] = "";
    struct stat found;
    gethostname(host, sizeof host - 1);
    int length = snprintf(text, sizeof text, "process %ld on %s\n", (long)getpid(), host);
    if (fstat(file, &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 1 && found.st_uid == geteuid() &&
        ftruncate(file, 0) == 0 && pwrite(file, text, (size_t)length, 0) != length)
        (void)ftruncate(file, 0); /* a full disk: nobody is named, and the lock holds all the same */
}

static void read_owner(int file, char text[OWNER_TEXT]) {
    ssize_t length = pread(file, text, OWNER_TEXT - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (!*text)
        snprintf(text, OWNER_TEXT, "another process");
}

/* The locked file, or -1 with errno: EWOULDBLOCK where somebody has it, and then who, if the file says. */
static int lock(const char *path, char owner[OWNER_TEXT]) {
    for (int i = 0; i < MOST_TRIES; i++) {
        int file = open_lock(path), error = file < 0 ? errno : 0;
        if (!error && flock(file, LOCK_EX | LOCK_NB) != 0) {
            error = errno;
            read_owner(file, owner);
        }
        if (!error && is_at(AT_FDCWD, path, file)) /* and nobody removed it meanwhile, as whoever had it does */
            return file;
        if (file >= 0)
            close(file);
        errno = error;
        if (error == EWOULDBLOCK && i < PATIENT_TRIES)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); /* it may be a cleaner's, of a dead run's lock */
        else if (error)
            return -1;
    }
    errno = EWOULDBLOCK;
    return -1;
}

/* ---- taking and leaving ---- */

static int keep(const struct invocation *call, int file, char *path) {
    struct claim *claim = malloc(sizeof *claim);
    if (!claim) {
        close(file);
        free(path);
        return tool_fail_memory(call);
    }
    *claim = (struct claim){.file = file, .lock = path, .next = claims};
    claims = claim;
    return EXIT_DONE;
}

static int take(const struct invocation *call, const char *what, const char *path, const char *resolved) {
    char owner[OWNER_TEXT] = "another process", *name = lock_path(resolved);
    if (!name)
        return tool_fail_memory(call);
    int file = lock(name, owner);
    if (file >= 0) {
        sign(file);
        return keep(call, file, name);
    }
    int error = errno;
    free(name);
    if (error == EWOULDBLOCK)
        return tool_fail(call, "%s %s: %s writes it: wait until that has ended, or give another name", what, path, owner);
    tool_note(call, "%s %s: there are no locks here (%s): a second run that writes it would not be noticed", what, path,
              strerror(error));
    return EXIT_DONE;
}

int place_take(const struct invocation *call, const char *what, const char *path) {
    int code = place_apart(call, what, path, call->names_path);
    if (code == EXIT_DONE)
        code = place_try(call, what, path);
    if (code != EXIT_DONE)
        return code;
    char *resolved = place_resolve(path), *folder = resolved ? place_folder(resolved) : NULL;
    code = folder ? take(call, what, path, resolved) : tool_fail_memory(call);
    if (folder && code == EXIT_DONE)
        place_clean(call, folder);
    free(folder);
    free(resolved);
    return code;
}

int place_take_or_device(const struct invocation *call, const char *what, const char *path) {
    struct stat found;
    bool device = stat(path, &found) == 0 && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode);
    return device ? place_try_in_place(call, what, path) : place_take(call, what, path);
}

void place_leave_all(void) {
    while (claims) {
        struct claim *claim = claims;
        claims = claim->next;
        if (is_at(AT_FDCWD, claim->lock, claim->file))
            unlink(claim->lock); /* while it is locked, so that nobody takes it in between */
        close(claim->file);
        free(claim->lock);
        free(claim);
    }
}

/* ---- what a crash left ---- */

/* The process that a part `.tleg-PID-N.tmp` is of; 0: it is a lock; -1: neither. */
static long owner_of(const char *name) {
    long pid = 0;
    int number, end = 0;
    unsigned long long hash;
    if (sscanf(name, ".tleg-%ld-%d.tmp%n", &pid, &number, &end) == 2 && end && !name[end] && pid > 0)
        return pid;
    if (sscanf(name, ".tleg-%16llx.lock%n", &hash, &end) == 1 && end && !name[end])
        return 0;
    return -1;
}

static bool is_alive(long pid) {
    return pid > 0 && pid != (long)getpid() && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

/* Whoever writes a part holds its lock, which other machines see where the file system shares locks; versions before that are
 * told by their process. */
static bool remove_dead(int folder, const char *name, long pid) {
    struct stat found;
    int file = is_alive(pid) ? -1 : openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0)
        return false;
    bool dead = fstat(file, &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 1 && found.st_uid == geteuid() &&
                flock(file, LOCK_EX | LOCK_NB) == 0 && is_at(folder, name, file) && unlinkat(folder, name, 0) == 0;
    close(file);
    return dead;
}

void place_clean(const struct invocation *call, const char *folder) {
    DIR *directory = opendir(folder);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL) {
        long pid = strncmp(entry->d_name, ".tleg-", 6) == 0 ? owner_of(entry->d_name) : -1;
        if (pid >= 0 && remove_dead(dirfd(directory), entry->d_name, pid) && pid > 0)
            tool_note(call, "%s%s: removed; a run that crashed left it", folder, entry->d_name);
    }
    if (directory)
        closedir(directory);
}
