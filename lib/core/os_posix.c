/* The operating system by POSIX, with what Linux has beyond it. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1 /* madvise, syscall, MAP_ANONYMOUS */
#endif
#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE 1 /* MAP_ANONYMOUS */
#endif
#define _FILE_OFFSET_BITS 64
#include "core/os.h"

#if TLEG_POSIX
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int64_t nanoseconds_of(struct timespec time) {
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t tleg_os_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return nanoseconds_of(now);
}

int64_t tleg_os_thread_nanoseconds(void) {
    struct timespec spent;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent) == 0 ? nanoseconds_of(spent) : tleg_os_nanoseconds();
}

void *tleg_os_allocate(size_t size, size_t align) {
    void *memory = NULL;
    return posix_memalign(&memory, align, size) == 0 ? memory : NULL;
}

void tleg_os_release(void *memory) {
    free(memory);
}

int64_t tleg_os_process(void) {
    return getpid();
}

/* Linux grants a process the tiles on request alone, since they make what it saves of a thread larger; the request holds for
 * all of the process and cannot be taken back. It is refused where a thread's alternative signal stack is too small for them.
 */
#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
bool tleg_os_grant_tiles(void) {
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
    const int before = errno;
    const bool granted = syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
    errno = before;
    return granted;
}
#else
bool tleg_os_grant_tiles(void) {
    return true;
}
#endif
#endif

/* ---- mappings ---- */

#if TLEG_MAPPINGS
#include <sys/mman.h>

void tleg_os_unmap(const void *memory, size_t bytes) {
    munmap((void *)(uintptr_t)memory, bytes);
}
#endif

#if TLEG_HUGE_PAGES || (TLEG_MAPPINGS && defined(MADV_WIPEONFORK))
static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}
#endif

#if TLEG_HUGE_PAGES
void *tleg_os_map_memory(size_t bytes, size_t huge) {
    const size_t page = page_size(), mapped = (bytes + page - 1) / page * page;
    char *all = mmap(NULL, mapped + TLEG_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    size_t before = (TLEG_HUGE_PAGE - (uintptr_t)all % TLEG_HUGE_PAGE) % TLEG_HUGE_PAGE;
    char *memory = all + before;
    if (before > 0)
        munmap(all, before);
    munmap(memory + mapped, TLEG_HUGE_PAGE - before);
    const int former = errno;
    (void)madvise(memory, huge, MADV_HUGEPAGE); /* best effort: a refusal changes nothing */
    errno = former;
    return memory;
}
#endif

/* ---- a process and its forks ---- */

#if TLEG_MAPPINGS && defined(MADV_WIPEONFORK)
/* A page of its own: what is wiped is whole pages. */
static uint32_t *make_mark(void) {
    const int former = errno;
    uint32_t *mark = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark == MAP_FAILED) {
        mark = NULL;
    } else if (madvise(mark, page_size(), MADV_WIPEONFORK) == 0) { /* Linux 4.14 */
        *mark = 1;
    } else {
        munmap(mark, page_size());
        mark = NULL;
    }
    errno = former;
    return mark;
}

static void free_mark(const volatile uint32_t *mark) {
    if (mark)
        munmap((void *)(uintptr_t)mark, page_size());
}
#elif TLEG_POSIX
static uint32_t *make_mark(void) {
    return NULL;
}

static void free_mark(const volatile uint32_t *mark) {
    (void)mark;
}
#endif

#if TLEG_POSIX
struct tleg_os_origin tleg_os_origin_make(void) {
    return (struct tleg_os_origin){make_mark(), tleg_os_process()};
}

bool tleg_os_origin_is_here(const struct tleg_os_origin *origin) {
    return origin->mark ? *origin->mark != 0 : origin->process == tleg_os_process();
}

void tleg_os_origin_free(struct tleg_os_origin *origin) {
    free_mark(origin->mark);
    *origin = (struct tleg_os_origin){0};
}
#endif

#if TLEG_MAPPINGS && TLEG_FILES
int tleg_os_map_file(tleg_os_file file, size_t bytes, const void **memory) {
    const int former = errno;
    void *mapped = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, (int)file, 0);
    const int number = mapped == MAP_FAILED ? errno : 0;
    errno = former;
    *memory = number == 0 ? mapped : NULL;
    return number;
}
#endif

/* ---- threads ---- */

#if TLEG_THREADS
#include <sched.h>
#include <signal.h>

bool tleg_os_lock_create(struct tleg_os_lock *lock) {
    if (pthread_mutex_init(&lock->mutex, NULL) != 0)
        return false;
    if (pthread_cond_init(&lock->waiting, NULL) == 0)
        return true;
    pthread_mutex_destroy(&lock->mutex);
    return false;
}

void tleg_os_lock_free(struct tleg_os_lock *lock) {
    pthread_cond_destroy(&lock->waiting);
    pthread_mutex_destroy(&lock->mutex);
}

void tleg_os_lock_take(struct tleg_os_lock *lock) {
    pthread_mutex_lock(&lock->mutex);
}

void tleg_os_lock_leave(struct tleg_os_lock *lock) {
    pthread_mutex_unlock(&lock->mutex);
}

void tleg_os_lock_wait(struct tleg_os_lock *lock) {
    pthread_cond_wait(&lock->waiting, &lock->mutex);
}

void tleg_os_lock_wake(struct tleg_os_lock *lock) {
    pthread_cond_signal(&lock->waiting);
}

/* Signals that are sent stay away from our threads: a host's handlers run on the host's own. A fault belongs to the thread that
 * made it: were it blocked, the system would end the process past the host's handler. */
static bool block_signals(sigset_t *former) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&blocked, faults[i]);
    return pthread_sigmask(SIG_SETMASK, &blocked, former) == 0;
}

bool tleg_os_thread_start(tleg_os_thread *thread, void *(*fn)(void *arg), void *arg) {
    sigset_t former; /* a new thread has its maker's mask */
    if (!block_signals(&former))
        return false;
    const bool good = pthread_create(thread, NULL, fn, arg) == 0;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return good;
}

void tleg_os_thread_join(tleg_os_thread thread) {
    pthread_join(thread, NULL);
}

void tleg_os_yield(void) {
    sched_yield();
}
#endif

/* ---- files ---- */

#if TLEG_FILES
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/xattr.h>
#endif

enum { MOST_AT_ONCE = 1 << 30 }; /* some systems refuse to move more in one call */

/* In the words of the C locale: strerror translates by the host's, for which glibc reads the environment. */
const char *tleg_os_text(int number, char text[TLEG_OS_TEXT]) {
    static const struct {
        int number;
        char text[40]; /* in place: a table of pointers has to be relocated in every process */
    } known[] = {{ENOENT, "No such file or directory"},
                 {EACCES, "Permission denied"},
                 {EPERM, "Operation not permitted"},
                 {EISDIR, "Is a directory"},
                 {ENOTDIR, "Not a directory"},
                 {EEXIST, "File exists"},
                 {ELOOP, "Too many levels of symbolic links"},
                 {ENAMETOOLONG, "File name too long"},
                 {ENOSPC, "No space left on device"},
                 {EDQUOT, "Disk quota exceeded"},
                 {EFBIG, "File too large"},
                 {EROFS, "Read-only file system"},
                 {EIO, "Input/output error"},
                 {ENXIO, "No such device or address"},
                 {EMFILE, "Too many open files"},
                 {ENFILE, "Too many open files in system"},
                 {ENOMEM, "Cannot allocate memory"},
                 {EBUSY, "Device or resource busy"},
                 {ETXTBSY, "Text file busy"},
                 {ESTALE, "Stale file handle"},
                 {EINVAL, "Invalid argument"},
                 {ESPIPE, "Illegal seek"},
                 {EOVERFLOW, "Value too large for defined data type"}};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (known[k].number == number)
            return known[k].text;
    snprintf(text, TLEG_OS_TEXT, "system error %d", number);
    return text;
}

/* The number of a call's failure, whose result was not as it should be; errno goes back to what the host left there. */
static int number_of(bool failed, int former) {
    const int number = failed ? errno : 0;
    errno = former;
    return number;
}

static struct tleg_os_state state_of(const struct stat *found) {
    const mode_t mode = found->st_mode;
    const enum tleg_os_kind kind = S_ISREG(mode)    ? TLEG_OS_REGULAR
                                   : S_ISDIR(mode)  ? TLEG_OS_DIRECTORY
                                   : S_ISLNK(mode)  ? TLEG_OS_LINK
                                   : S_ISFIFO(mode) ? TLEG_OS_PIPE
                                   : S_ISSOCK(mode) ? TLEG_OS_SOCKET
                                                    : TLEG_OS_DEVICE;
    return (struct tleg_os_state){.kind = kind,
                                  .size = found->st_size > 0 ? (uint64_t)found->st_size : 0,
                                  .mode = (uint32_t)(mode & 0777),
                                  .owner = (uint32_t)found->st_uid,
                                  .group = (uint32_t)found->st_gid};
}

int tleg_os_open(const char *path, tleg_os_file *file, struct tleg_os_state *state) {
    const int former = errno;
    struct stat found = {0};
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    const int number = number_of(fd < 0 || fstat(fd, &found) != 0, former);
    if (number == 0)
        *state = state_of(&found);
    else
        tleg_os_close(fd);
    *file = number == 0 ? fd : TLEG_OS_NO_FILE;
    return number;
}

void tleg_os_close(tleg_os_file file) {
    const int former = errno;
    if (file != TLEG_OS_NO_FILE)
        close((int)file);
    errno = former;
}

int tleg_os_read(tleg_os_file file, uint64_t at, size_t bytes, void *out, size_t *done) {
    const int former = errno;
    ssize_t got = 1;
    *done = 0;
    while (*done < bytes && got != 0) {
        const size_t left = bytes - *done;
        got = pread((int)file, (char *)out + *done, left < MOST_AT_ONCE ? left : MOST_AT_ONCE, (off_t)(at + *done));
        if (got < 0 && errno != EINTR)
            return number_of(true, former);
        *done += got > 0 ? (size_t)got : 0;
    }
    return number_of(false, former);
}

int tleg_os_look(const char *path, bool follow, struct tleg_os_state *state) {
    const int former = errno;
    struct stat found = {0};
    const int number = number_of((follow ? stat(path, &found) : lstat(path, &found)) != 0, former);
    *state = number == 0 ? state_of(&found) : (struct tleg_os_state){.kind = TLEG_OS_NOTHING};
    return number == ENOENT ? 0 : number;
}

int tleg_os_read_link(const char *path, char *text, size_t room, size_t *length) {
    const int former = errno;
    const ssize_t got = readlink(path, text, room);
    *length = got > 0 ? (size_t)got : 0;
    return number_of(got < 0, former);
}

int tleg_os_may_write(const char *path) {
    const int former = errno;
    return number_of(faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0, former);
}

/* Whether the new file is still there, and ours: whoever removes what a crash left takes the lock first. A file system without
 * locks has nothing to say. */
static bool is_ours(int fd) {
    struct stat found;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return false;
    return fstat(fd, &found) == 0 && found.st_nlink > 0;
}

int tleg_os_create(const char *path, bool secret, tleg_os_file *file, bool *taken) {
    const int former = errno;
    int fd;
    do
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, secret ? 0600 : 0666);
    while (fd < 0 && errno == EINTR);
    *taken = fd < 0 && errno == EEXIST;
    *file = fd < 0 ? TLEG_OS_NO_FILE : fd;
    if (fd < 0 || is_ours(fd))
        return number_of(fd < 0, former);
    tleg_os_close(fd);
    *file = TLEG_OS_NO_FILE;
    *taken = true;
    errno = former;
    return EEXIST;
}

/* What a group may do that was not meant: as much as everybody may. */
static mode_t for_another_group(mode_t mode) {
    return (mode & ~(mode_t)070) | (mode & 070 & (mode & 07) << 3);
}

/* Where a file has an access list, its mode's group bits say what the list's users may at most, which is more than its group
 * may. A list that the folder gave to the new file is taken off where the former one has none. */
static bool copy_list(int fd, const char *path) {
#ifdef __linux__
    static const char name[] = "system.posix_acl_access";
    char list[4096];
    const ssize_t bytes = getxattr(path, name, list, sizeof list);
    if (bytes > 0)
        return fsetxattr(fd, name, list, (size_t)bytes, 0) == 0;
    return bytes == 0 || errno != ERANGE ? fremovexattr(fd, name) == 0 || errno == ENODATA || errno == ENOTSUP : false;
#else
    (void)fd, (void)path;
    return true;
#endif
}

int tleg_os_set_access(tleg_os_file file, const char *path, const struct tleg_os_state *as) {
    const int former = errno, fd = (int)file;
    struct stat is;
    mode_t mode = (mode_t)as->mode;
    if (fstat(fd, &is) != 0)
        return number_of(true, former);
    const bool owner = is.st_uid == as->owner, group = is.st_gid == as->group;
    bool kept = owner && group;
    if (!kept)
        kept = fchown(fd, (uid_t)as->owner, (gid_t)as->group) == 0 || group || fchown(fd, (uid_t)-1, (gid_t)as->group) == 0;
    if (!copy_list(fd, path) || !kept)
        mode = for_another_group(mode);
    if (fstat(fd, &is) == 0 && (is.st_mode & 0777) == mode) /* some file systems have one mode for all */
        return number_of(false, former);
    return number_of(fchmod(fd, mode) != 0, former);
}

tleg_os_file tleg_os_again(tleg_os_file file) {
    const int former = errno;
    const int fd = fcntl((int)file, F_DUPFD_CLOEXEC, 0);
    errno = former;
    return fd < 0 ? TLEG_OS_NO_FILE : fd;
}

/* ---- the size limit ----
 * Beyond RLIMIT_FSIZE the system sends the writing thread SIGXFSZ, which would end the host. It is kept away while we write,
 * and what came meanwhile is taken back; one that waited before is the host's. */
struct size_signal {
    sigset_t former;
    bool waited;
};
#if TLEG_THREADS
#define SET_MASK pthread_sigmask
#else
#define SET_MASK sigprocmask
#endif

static bool is_waiting(void) {
    sigset_t waiting;
    return sigpending(&waiting) == 0 && sigismember(&waiting, SIGXFSZ) == 1;
}

static void hold_size_signal(struct size_signal *held) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGXFSZ);
    held->waited = is_waiting();
    SET_MASK(SIG_BLOCK, &one, &held->former);
}

static void release_size_signal(const struct size_signal *held, bool beyond) {
    sigset_t one;
    int number;
    sigemptyset(&one);
    sigaddset(&one, SIGXFSZ);
    if (beyond && !held->waited && is_waiting()) /* where it is ignored none came */
        sigwait(&one, &number);
    SET_MASK(SIG_SETMASK, &held->former, NULL);
}

static int write_all(int fd, const char *data, size_t bytes, uint64_t at) {
    for (size_t done = 0; done < bytes;) {
        const size_t left = bytes - done;
        const ssize_t put = pwrite(fd, data + done, left < MOST_AT_ONCE ? left : MOST_AT_ONCE, (off_t)(at + done));
        if (put == 0)
            return ENOSPC;
        if (put < 0 && errno != EINTR)
            return errno;
        done += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

int tleg_os_write(tleg_os_file file, uint64_t at, size_t bytes, const void *data) {
    const int former = errno;
    struct size_signal held;
    hold_size_signal(&held);
    const int number = write_all((int)file, data, bytes, at);
    release_size_signal(&held, number == EFBIG);
    errno = former;
    return number;
}

/* Some file systems have nothing to flush and say so. */
int tleg_os_flush(tleg_os_file file) {
    const int former = errno;
    int result;
    do
        result = fsync((int)file);
    while (result != 0 && errno == EINTR);
    return number_of(result != 0 && errno != EINVAL && errno != ENOTSUP, former);
}

int tleg_os_flush_directory(const char *path) {
    const int former = errno;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    errno = former;
    if (fd < 0)
        return 0;
    const int number = tleg_os_flush(fd);
    tleg_os_close(fd);
    return number;
}

int tleg_os_finish(tleg_os_file file) {
    const int former = errno;
    return number_of(close((int)file) != 0 && errno != EINTR, former);
}

int tleg_os_rename(const char *from, const char *to) {
    const int former = errno;
    return number_of(rename(from, to) != 0, former);
}

void tleg_os_remove(const char *path) {
    const int former = errno;
    unlink(path);
    errno = former;
}
#endif
