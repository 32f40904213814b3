/* The operating system, behind one header. A build may do without threads, without files or without mappings (TLEG_THREADS,
 * TLEG_FILES, TLEG_MAPPINGS are 0 then): os_posix.c has the parts that are there, os_plain.c answers for the others. A build
 * without all three calls nothing beyond ISO C. */
#ifndef TLEG_LIB_OS_H
#define TLEG_LIB_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__unix__) || defined(__APPLE__)
#define TLEG_POSIX_HERE 1
#else
#define TLEG_POSIX_HERE 0
#endif
#ifndef TLEG_THREADS
#define TLEG_THREADS TLEG_POSIX_HERE
#endif
#ifndef TLEG_FILES
#define TLEG_FILES TLEG_POSIX_HERE
#endif
#ifndef TLEG_MAPPINGS
#define TLEG_MAPPINGS TLEG_POSIX_HERE
#endif
#define TLEG_POSIX (TLEG_THREADS || TLEG_FILES || TLEG_MAPPINGS)

#if TLEG_THREADS
#include <pthread.h>
#endif

/* ---- time ---- */
/* Of a clock that only rises; in plain C of the wall clock, which somebody may set. */
int64_t tleg_os_nanoseconds(void);
/* What the processor spent on the calling thread, which stands still while others run; the clock above where the system does
 * not say. */
int64_t tleg_os_thread_nanoseconds(void);

/* ---- memory ---- */
/* From the C library; NULL on failure. `align` is a power of two, of at least sizeof(void *). */
void *tleg_os_allocate(size_t size, size_t align);
void tleg_os_release(void *memory);
/* Mappings of their own that huge pages can back. */
#if TLEG_MAPPINGS && defined(__linux__)
#define TLEG_HUGE_PAGES 1
#else
#define TLEG_HUGE_PAGES 0
#endif
enum { TLEG_HUGE_PAGE = 2 << 20 };
/* `bytes` at a multiple of TLEG_HUGE_PAGE, zeroed; the system is advised to back the first `huge` of them, such a multiple too,
 * with huge pages. NULL on failure, and without TLEG_HUGE_PAGES. */
void *tleg_os_map_memory(size_t bytes, size_t huge);
void tleg_os_unmap(const void *memory, size_t bytes);

/* ---- threads ---- */
#if TLEG_THREADS
typedef pthread_t tleg_os_thread;
struct tleg_os_lock { /* a lock, and a place to wait under it */
    pthread_mutex_t mutex;
    pthread_cond_t waiting;
};
#define TLEG_OS_LOCK                                                                                                           \
    { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER }
#else
typedef int tleg_os_thread;
struct tleg_os_lock {
    char unused;
};
#define TLEG_OS_LOCK                                                                                                           \
    { 0 }
#endif
bool tleg_os_lock_create(struct tleg_os_lock *lock);
void tleg_os_lock_free(struct tleg_os_lock *lock);
void tleg_os_lock_take(struct tleg_os_lock *lock);
void tleg_os_lock_leave(struct tleg_os_lock *lock);
void tleg_os_lock_wait(struct tleg_os_lock *lock); /* taken: leaves it until a signal, or for no reason */
void tleg_os_lock_wake(struct tleg_os_lock *lock); /* one that waits */
/* A thread that runs fn(arg) and receives none of the host's signals, apart from faults of its own. False without threads. */
bool tleg_os_thread_start(tleg_os_thread *thread, void *(*fn)(void *arg), void *arg);
void tleg_os_thread_join(tleg_os_thread thread);
void tleg_os_yield(void);
int64_t tleg_os_process(void); /* its number, which another process may have in another namespace, or once it has ended */
/* Tells the process that made it from a fork of it, whatever their numbers. */
struct tleg_os_origin {
    const volatile uint32_t *mark; /* a word that a fork finds zero; NULL where the system wipes no memory at a fork */
    int64_t process;
};
struct tleg_os_origin tleg_os_origin_make(void);
bool tleg_os_origin_is_here(const struct tleg_os_origin *origin);
void tleg_os_origin_free(struct tleg_os_origin *origin);
/* Asks that this process may use the AMX tiles. */
bool tleg_os_grant_tiles(void);

/* ---- files ----
 * Where TLEG_FILES is 1, and tleg_os_map_file where TLEG_MAPPINGS is 1 too; lib/format alone calls them and refuses paths where
 * there are none. Each returns 0, or the system's number of what went wrong, and leaves errno as it was. */
typedef intptr_t tleg_os_file;
#define TLEG_OS_NO_FILE ((tleg_os_file)-1)
enum tleg_os_kind {
    TLEG_OS_NOTHING, /* there is no such file */
    TLEG_OS_REGULAR,
    TLEG_OS_DIRECTORY,
    TLEG_OS_LINK, /* symbolic */
    TLEG_OS_PIPE,
    TLEG_OS_SOCKET,
    TLEG_OS_DEVICE
};
struct tleg_os_state {
    enum tleg_os_kind kind;
    uint64_t size;
    uint32_t mode;         /* permissions */
    uint32_t owner, group; /* their numbers */
};
/* What an errno means, in English; text[TLEG_OS_TEXT] is room for those without words. */
enum { TLEG_OS_TEXT = 128 };
const char *tleg_os_text(int number, char text[TLEG_OS_TEXT]);
/* Opens for reading, without waiting where `path` is a pipe. */
int tleg_os_open(const char *path, tleg_os_file *file, struct tleg_os_state *state);
void tleg_os_close(tleg_os_file file); /* TLEG_OS_NO_FILE is allowed */
/* [at, at + bytes) of the file; *done is less than bytes where the file ends. */
int tleg_os_read(tleg_os_file file, uint64_t at, size_t bytes, void *out, size_t *done);
/* The first `bytes`, at least 1, for reading; tleg_os_unmap ends it. */
int tleg_os_map_file(tleg_os_file file, size_t bytes, const void **memory);
/* What lies at `path`: NOTHING is not a failure. With `follow` what a symbolic link leads to. */
int tleg_os_look(const char *path, bool follow, struct tleg_os_state *state);
/* The text of a symbolic link, without a NUL; *length of `room` means that it may be cut. */
int tleg_os_read_link(const char *path, char *text, size_t room, size_t *length);
/* Whether this process may write to the file that is there. */
int tleg_os_may_write(const char *path);
/* Makes a new file for reading and writing, locked while it is open, so that others can tell what a crash left; *taken when the
 * name is somebody's. `secret`: for this process' user alone, until tleg_os_set_access. */
int tleg_os_create(const char *path, bool secret, tleg_os_file *file, bool *taken);
/* Gives the file the mode, owner, group and access list of the one at `path`, which is `as`, as far as this process may: a
 * group that it may not give, or whose list it may not, gets no rights that everybody does not have. */
int tleg_os_set_access(tleg_os_file file, const char *path, const struct tleg_os_state *as);
/* A second handle to the same open file, which keeps its lock; TLEG_OS_NO_FILE where there is none left. */
tleg_os_file tleg_os_again(tleg_os_file file);
/* A limit on files' sizes is the number of an error, never a signal. */
int tleg_os_write(tleg_os_file file, uint64_t at, size_t bytes, const void *data);
/* To the disk: a file's bytes, a directory's names. One that cannot be flushed, or a directory not be read, counts as flushed.
 */
int tleg_os_flush(tleg_os_file file);
int tleg_os_flush_directory(const char *path);
int tleg_os_finish(tleg_os_file file); /* closes, and tells what was found only then */
int tleg_os_rename(const char *from, const char *to);
void tleg_os_remove(const char *path);

#endif
