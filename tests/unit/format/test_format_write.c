/* Writing safetensors: always the same bytes, and never half a file. */
#include "support/containers.h"
#include "support/skip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/xattr.h>
#endif
#include <unistd.h>

/* A whole file; free with free(). */
static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    unsigned char *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void assert_file(const char *path, const void *expected, size_t expected_size) {
    size_t size;
    unsigned char *bytes = read_file(path, &size);
    assert_int_equal(size, expected_size);
    assert_memory_equal(bytes, expected, size);
    free(bytes);
}

static bool exists(const char *path) {
    struct stat state;
    return lstat(path, &state) == 0;
}

/* Saves one U8 tensor "x" with these bytes, and no metadata. */
static tleg_status save(const char *path, const void *data, int64_t size) {
    static const char *const names[] = {"x"};
    tleg_tensor *tensor;
    OK(tleg_tensor_create(context, TLEG_U8, 1, &size, &tensor));
    memcpy(tensor->data, data, (size_t)size);
    const tleg_tensor *tensors[] = {tensor};
    tleg_status status = tleg_file_save(context, path, 1, names, tensors, NULL);
    tleg_tensor_free(tensor);
    return status;
}

static void assert_saved(const char *path, const char *data) {
    size_t size;
    unsigned char *bytes = read_file(path, &size);
    tleg_file *file;
    OK(tleg_file_parse(context, bytes, size, &file));
    assert_int_equal(tleg_file_find(file, "x")->bytes, strlen(data));
    assert_memory_equal(bytes + size - strlen(data), data, strlen(data));
    tleg_file_free(file);
    free(bytes);
}

static void the_bytes_of_a_file_are_determined(void **state) {
    (void)state;
    static const char json[] = "{\"__metadata__\":{\"z\":\"1\",\"a\":\"\\\"\\\\\\u000a\\u0001\xc3\xa9/\"},"
                               "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[64,67]},"
                               "\"a\":{\"dtype\":\"F32\",\"shape\":[4,4],\"data_offsets\":[0,64]},"
                               "\"c\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[67,75]},"
                               "\"0\":{\"dtype\":\"BF16\",\"shape\":[2,0],\"data_offsets\":[64,64]}}";
    static const char *const names[] = {"b", "a", "c", "0"}, *const pairs[] = {"z", "1", "a", "\"\\\n\1\xc3\xa9/"};
    static const int32_t dtypes[] = {TLEG_U8, TLEG_F32, TLEG_F64, TLEG_BF16}, ranks[] = {1, 2, 0, 2};
    static const int64_t shapes[][2] = {{3}, {4, 4}, {0}, {2, 0}};
    enum { HEADER = 312 }; /* the JSON with its blanks: 8 bytes more are a multiple of 64 */
    tleg_tensor *tensors[4];
    unsigned char expected[8 + HEADER + 75] = {HEADER & 0xff, HEADER >> 8};
    assert_true(strlen(json) <= HEADER && strlen(json) > HEADER - 64);
    memset(expected + 8, ' ', HEADER);
    memcpy(expected + 8, json, strlen(json));
    static const size_t places[] = {64, 0, 67, 64};
    for (int i = 0; i < 4; i++) {
        OK(tleg_tensor_create(context, dtypes[i], ranks[i], shapes[i], &tensors[i]));
        memset(tensors[i]->data, 'A' + i, tensors[i]->bytes);
        memset(expected + 8 + HEADER + places[i], 'A' + i, tensors[i]->bytes);
    }
    const char *path = in_scratch("out");
    OK(tleg_file_save(context, path, 4, names, (const tleg_tensor *const *)tensors, SAVE_WITH(2, pairs)));
    assert_file(path, expected, sizeof expected);
    tleg_file *file;
    OK(tleg_file_open(context, path, NULL, &file));
    assert_string_equal(tleg_file_get_metadata(file, "a"), pairs[3]);
    tleg_file_free(file);
    for (int i = 0; i < 4; i++)
        tleg_tensor_free(tensors[i]);
}

static void a_file_without_tensors_or_metadata_can_be_written(void **state) {
    (void)state;
    OK(tleg_file_save(context, in_scratch("out"), 0, NULL, NULL, NULL));
    tleg_file *file;
    OK(tleg_file_open(context, in_scratch("out"), NULL, &file));
    assert_int_equal(tleg_file_get_tensor_count(file), 0);
    tleg_file_free(file);
}

static void a_file_is_replaced_whole_and_nothing_else_stays(void **state) {
    (void)state;
    clean_scratch();
    OK(save(in_scratch("out"), "old", 3));
    OK(save(in_scratch("out"), "newer", 5));
    assert_saved(in_scratch("out"), "newer");
    assert_int_equal(clean_scratch(), 1);
}

static void a_new_file_obeys_the_umask_and_a_former_mode_is_kept(void **state) {
    (void)state;
    struct stat file;
    mode_t before = umask(027);
    OK(save(in_scratch("out"), "x", 1));
    umask(before);
    assert_int_equal(stat(in_scratch("out"), &file), 0);
    assert_int_equal(file.st_mode & 0777, 0640);
    assert_int_equal(chmod(in_scratch("out"), 0604), 0);
    OK(save(in_scratch("out"), "y", 1));
    assert_int_equal(stat(in_scratch("out"), &file), 0);
    assert_int_equal(file.st_mode & 0777, 0604);
    clean_scratch();
}

static void a_symbolic_link_is_written_through(void **state) {
    (void)state;
    assert_int_equal(mkdir(in_scratch("deep"), 0700), 0);
    assert_int_equal(symlink("deep/target", in_scratch("link")), 0);
    assert_int_equal(symlink(in_scratch("link"), in_scratch("link2")), 0);
    const char *texts[] = {"made", "again"}; /* first the link leads nowhere yet */
    for (int i = 0; i < 2; i++) {
        OK(save(in_scratch("link2"), texts[i], (int64_t)strlen(texts[i])));
        assert_saved(in_scratch("deep/target"), texts[i]);
        struct stat link;
        assert_int_equal(lstat(in_scratch("link2"), &link), 0);
        assert_true(S_ISLNK(link.st_mode));
    }
    assert_int_equal(symlink("loop", in_scratch("loop")), 0);
    assert_error(save(in_scratch("loop"), "x", 1), TLEG_ERROR_IO, "loop: cannot be made: ");
    unlink(in_scratch("deep/target"));
    clean_scratch();
}

static void a_target_that_is_no_file_is_refused_before_the_work(void **state) {
    (void)state;
    assert_int_equal(mkfifo(in_scratch("fifo"), 0600), 0);
    assert_error(save(in_scratch("fifo"), "x", 1), TLEG_ERROR_IO, "fifo is a pipe or device");
    assert_error(save("/dev/null", "x", 1), TLEG_ERROR_IO, "/dev/null is a pipe or device");
    assert_error(save(scratch, "x", 1), TLEG_ERROR_IO, "is a directory");
    assert_error(save(in_scratch("none/out"), "x", 1), TLEG_ERROR_NOT_FOUND, "out: cannot be made: ");
    assert_error(save(in_scratch("fifo/out"), "x", 1), TLEG_ERROR_IO, "out: cannot be made: ");
    assert_error(save("/dev/stdout", "x", 1), TLEG_ERROR_IO, "/dev/stdout is "); /* wherever it leads */
    assert_error(save("/proc/self/fd/1", "x", 1), TLEG_ERROR_IO, "/proc/self/fd/1 is ");
    assert_error(save("", "x", 1), TLEG_ERROR_IO, "found an empty one");
    char longest[300];
    memset(longest, 'n', sizeof longest);
    longest[299] = '\0';
    assert_error(save(in_scratch(longest), "x", 1), TLEG_ERROR_IO, "cannot be made: ");
    longest[255] = '\0'; /* the longest name there is: the temporary file's must not be longer */
    OK(save(in_scratch(longest), "x", 1));
    OK(save(in_scratch("locked"), "kept", 4));
    assert_int_equal(chmod(in_scratch("locked"), 0444), 0);
    if (geteuid() != 0) {
        assert_error(save(in_scratch("locked"), "x", 1), TLEG_ERROR_IO, "locked: may not be overwritten: ");
        assert_saved(in_scratch("locked"), "kept");
    }
    clean_scratch();
}

static const struct tleg_write_entry two[] = {{.name = "a", .dtype = TLEG_U8, .rank = 1, .shape = {2}},
                                              {.name = "b", .dtype = TLEG_U8, .rank = 1, .shape = {64}}};

/* It is opened for its owner alone, and gets the former file's mode when it is whole. */
static void a_private_files_new_version_is_private_while_it_is_written(void **state) {
    (void)state;
    const mode_t before = umask(0), modes[] = {0600, 0000, 0664};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct tleg_writer *writer;
        struct stat file;
        char path[512];
        if (modes[i] == 0 && geteuid() != 0)
            continue; /* such a file only root may write */
        OK(save(in_scratch("secret"), "x", 1));
        assert_int_equal(chmod(in_scratch("secret"), modes[i]), 0);
        OK(tleg_writer_create(context, in_scratch("secret"), two, 2, NULL, 0, &writer));
        snprintf(path, sizeof path, "%s/.tleg-%ld-0.tmp", scratch, (long)getpid());
        assert_int_equal(stat(path, &file), 0);
        assert_int_equal(file.st_mode & 0777, 0600);
        OK(tleg_writer_put(context, writer, 0, "ab"));
        OK(tleg_writer_put(context, writer, 1, (char[64]){0}));
        OK(tleg_writer_commit(context, writer));
        tleg_writer_free(writer);
        assert_int_equal(stat(in_scratch("secret"), &file), 0);
        assert_int_equal(file.st_mode & 0777, modes[i]);
        unlink(in_scratch("secret"));
    }
    umask(before);
    clean_scratch();
}

static void owner_and_group_are_kept_where_they_can_be(void **state) {
    (void)state;
    struct stat file;
    if (geteuid() != 0)
        SKIP("only root may give files away");
    OK(save(in_scratch("out"), "x", 1));
    assert_int_equal(chown(in_scratch("out"), 12, 34), 0);
    assert_int_equal(chmod(in_scratch("out"), 0640), 0);
    OK(save(in_scratch("out"), "y", 1));
    assert_int_equal(stat(in_scratch("out"), &file), 0);
    assert_int_equal(file.st_uid, 12);
    assert_int_equal(file.st_gid, 34);
    assert_int_equal(file.st_mode & 0777, 0640);
    /* By somebody who may not: his own file, and nothing for his group that it was not to have. */
    assert_int_equal(chmod(scratch, 0777), 0);
    assert_int_equal(chmod(in_scratch("out"), 0666 & ~04), 0);
    const pid_t child = fork();
    if (child == 0)
        _exit(setgroups(0, NULL) != 0 || setgid(56) != 0 || setuid(12) != 0 || save(in_scratch("out"), "z", 1) != TLEG_OK);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(stat(in_scratch("out"), &file), 0);
    assert_int_equal(file.st_uid, 12);
    assert_int_equal(file.st_gid, 56);
    assert_int_equal(file.st_mode & 0777, 0622);
    assert_int_equal(chmod(scratch, 0700), 0);
    clean_scratch();
}

#ifdef __linux__
/* An access list as the system stores it: version 2, then (tag, rights, user) of owner, user 12, group, mask, others. */
static const uint16_t list[] = {2, 0,      1,      6,  0xFFFF, 0xFFFF, 2,      6,  12, 0,      4,
                                0, 0xFFFF, 0xFFFF, 16, 6,      0xFFFF, 0xFFFF, 32, 0,  0xFFFF, 0xFFFF};
static const char of_file[] = "system.posix_acl_access", of_folder[] = "system.posix_acl_default";

/* The group bits of such a file's mode are its mask: as a mode they would let the group in. */
static void an_access_list_is_kept_and_none_is_inherited(void **state) {
    (void)state;
    uint16_t found[64];
    struct stat file;
    OK(save(in_scratch("out"), "x", 1));
    if (setxattr(in_scratch("out"), of_file, list, sizeof list, 0) != 0 && errno == ENOTSUP)
        SKIP("the file system of /tmp has no access lists");
    OK(save(in_scratch("out"), "y", 1));
    assert_int_equal(getxattr(in_scratch("out"), of_file, found, sizeof found), sizeof list);
    assert_memory_equal(found, list, sizeof list);
    unlink(in_scratch("out"));
    OK(save(in_scratch("out"), "x", 1));
    assert_int_equal(chmod(in_scratch("out"), 0660), 0);
    assert_int_equal(setxattr(scratch, of_folder, list, sizeof list, 0), 0);
    OK(save(in_scratch("out"), "y", 1));
    assert_int_equal(getxattr(in_scratch("out"), of_file, found, sizeof found), -1);
    assert_int_equal(stat(in_scratch("out"), &file), 0);
    assert_int_equal(file.st_mode & 0777, 0660);
    assert_int_equal(removexattr(scratch, of_folder), 0);
    clean_scratch();
}
#endif

/* What a crash left can be told from what is being written: nobody else gets the lock of that. */
static void a_file_that_is_being_written_is_locked(void **state) {
    (void)state;
    struct tleg_writer *writer;
    char path[512];
    clean_scratch();
    OK(tleg_writer_create(context, in_scratch("out"), two, 2, NULL, 0, &writer));
    snprintf(path, sizeof path, "%s/.tleg-%ld-0.tmp", scratch, (long)getpid());
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    OK(tleg_writer_put(context, writer, 0, "ab"));
    OK(tleg_writer_put(context, writer, 1, (char[64]){0}));
    OK(tleg_writer_commit(context, writer));
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    tleg_writer_free(writer);
    clean_scratch();
}

static atomic_int signals;

static void count_signal(int number) {
    (void)number;
    atomic_fetch_add(&signals, 1);
}

/* The size limit's signal is for whoever writes beyond it: a host that calls the library is told by its status. */
static void a_size_limit_is_an_error_and_no_signal(void **state) {
    (void)state;
    static const char much[10000];
    struct rlimit before, limit;
    sigset_t mask, waiting;
    const struct sigaction caught = {.sa_handler = count_signal};
    struct sigaction former;
    clean_scratch();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4096;
    assert_int_equal(sigaction(SIGXFSZ, &caught, &former), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const tleg_status status = save(in_scratch("out"), much, sizeof much);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_error(status, TLEG_ERROR_IO, strerror(EFBIG));
    assert_int_equal(atomic_load(&signals), 0);
    assert_int_equal(clean_scratch(), 0);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGXFSZ), 0);
    /* One that the host holds back stays where it is. */
    sigemptyset(&mask);
    sigaddset(&mask, SIGXFSZ);
    assert_int_equal(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
    raise(SIGXFSZ);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(save(in_scratch("out"), much, sizeof much), TLEG_ERROR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(sigpending(&waiting), 0);
    assert_int_equal(sigismember(&waiting, SIGXFSZ), 1);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &mask, NULL), 0);
    assert_int_equal(atomic_load(&signals), 1);
    assert_int_equal(sigaction(SIGXFSZ, &former, NULL), 0);
}

/* Files may not grow beyond 4 KiB meanwhile: the nearest to a full disk that needs no rights. */
static void a_full_disk_leaves_the_former_file_and_nothing_else(void **state) {
    (void)state;
    static char much[10000];
    struct rlimit before, limit;
    clean_scratch();
    OK(save(in_scratch("out"), "former", 6));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    tleg_status status = save(in_scratch("out"), much, sizeof much);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_error(status, TLEG_ERROR_IO, "/out: cannot be written: ");
    assert_contains(tleg_context_get_error(context), strerror(EFBIG));
    assert_saved(in_scratch("out"), "former");
    assert_int_equal(clean_scratch(), 1);
}

static void an_unfinished_file_never_appears(void **state) {
    (void)state;
    struct tleg_writer *writer;
    clean_scratch();
    OK(tleg_writer_create(context, in_scratch("out"), two, 2, NULL, 0, &writer));
    OK(tleg_writer_put(context, writer, 0, "ab"));
    assert_error(tleg_writer_put(context, writer, 0, "ab"), TLEG_ERROR_STATE, "'a' is written already");
    assert_int_equal(tleg_writer_put(context, writer, 2, "ab"), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_writer_put(context, writer, -1, "ab"), TLEG_ERROR_ARGUMENT);
    assert_error(tleg_writer_commit(context, writer), TLEG_ERROR_STATE, "'b' is not written yet");
    assert_false(exists(in_scratch("out")));
    tleg_writer_free(writer);
    tleg_writer_free(NULL);
    assert_int_equal(clean_scratch(), 0);
}

static void two_writers_of_one_path_do_not_mix(void **state) {
    (void)state;
    struct tleg_writer *writers[2];
    char data[64];
    clean_scratch();
    for (int i = 0; i < 2; i++)
        OK(tleg_writer_create(context, in_scratch("out"), two, 2, NULL, 0, &writers[i]));
    for (int i = 0; i < 2; i++) {
        memset(data, '0' + i, sizeof data);
        OK(tleg_writer_put(context, writers[i], 1, data));
        OK(tleg_writer_put(context, writers[i], 0, data));
    }
    for (int i = 0; i < 2; i++) {
        OK(tleg_writer_commit(context, writers[i]));
        assert_error(tleg_writer_commit(context, writers[i]), TLEG_ERROR_STATE, "finished already");
        size_t size;
        unsigned char *bytes = read_file(in_scratch("out"), &size);
        for (size_t at = size - 66; at < size; at++)
            assert_int_equal(bytes[at], '0' + i);
        free(bytes);
    }
    tleg_writer_free(writers[0]);
    tleg_writer_free(writers[1]);
    assert_int_equal(clean_scratch(), 1);
}

static void wrong_arguments_are_named_and_nothing_is_written(void **state) {
    (void)state;
    const char *path = in_scratch("out");
    static const char *const twice[] = {"x", "x"}, *const wrong[] = {"\xff"}, *const meta[] = {"__metadata__"},
                             *const null[] = {NULL}, *const good[] = {"x"}, *const key_twice[] = {"k", "1", "l", "2", "k", "3"},
                             *const value_null[] = {"k", NULL}, *const value_wrong[] = {"k", "\xc3"};
    int64_t size = 1;
    tleg_tensor *tensor;
    OK(tleg_tensor_create(context, TLEG_U8, 1, &size, &tensor));
    const tleg_tensor *tensors[] = {tensor, tensor}, *missing[] = {NULL};
    clean_scratch();
    assert_error(tleg_file_save(context, path, 2, twice, tensors, NULL), TLEG_ERROR_ARGUMENT, "duplicate tensor 'x'");
    assert_error(tleg_file_save(context, path, 1, wrong, tensors, NULL), TLEG_ERROR_ARGUMENT, "not valid UTF-8");
    assert_error(tleg_file_save(context, path, 1, meta, tensors, NULL), TLEG_ERROR_ARGUMENT, "__metadata__");
    assert_error(tleg_file_save(context, path, 1, null, tensors, NULL), TLEG_ERROR_ARGUMENT, "NULL");
    assert_error(tleg_file_save(context, path, 1, good, missing, NULL), TLEG_ERROR_ARGUMENT, "NULL");
    assert_error(tleg_file_save(context, path, 1, good, tensors, SAVE_WITH(3, key_twice)), TLEG_ERROR_ARGUMENT,
                 "duplicate metadata key 'k'");
    assert_error(tleg_file_save(context, path, 1, good, tensors, SAVE_WITH(1, value_null)), TLEG_ERROR_ARGUMENT, "NULL");
    assert_error(tleg_file_save(context, path, 1, good, tensors, SAVE_WITH(1, value_wrong)), TLEG_ERROR_ARGUMENT,
                 "not valid UTF-8");
    assert_int_equal(tleg_file_save(NULL, path, 1, good, tensors, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_save(context, NULL, 1, good, tensors, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_save(context, path, -1, good, tensors, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_save(context, path, 1, NULL, tensors, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_save(context, path, 1, good, NULL, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_save(context, path, 1, good, tensors, SAVE_WITH(-1, NULL)), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_save(context, path, 1, good, tensors, SAVE_WITH(1, NULL)), TLEG_ERROR_ARGUMENT);
    tleg_tensor_free(tensor);
    assert_int_equal(clean_scratch(), 0);
}

static void impossible_tensors_are_refused(void **state) {
    (void)state;
    struct tleg_writer *writer;
    static const struct tleg_write_entry wrong[] = {
        {.name = "no-type", .dtype = 0, .rank = 0},
        {.name = "ranks", .dtype = TLEG_U8, .rank = TLEG_MAX_RANK + 1},
        {.name = "negative", .dtype = TLEG_U8, .rank = 1, .shape = {-1}},
        {.name = "huge", .dtype = TLEG_F32, .rank = 2, .shape = {INT64_MAX, 3}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_error(tleg_writer_create(context, in_scratch("out"), &wrong[i], 1, NULL, 0, &writer), TLEG_ERROR_ARGUMENT,
                     wrong[i].name);
        assert_null(writer);
    }
    static const struct tleg_write_entry sum[] = {{.name = "a", .dtype = TLEG_U8, .rank = 1, .shape = {INT64_MAX}},
                                                  {.name = "b", .dtype = TLEG_U8, .rank = 1, .shape = {INT64_MAX}}};
    assert_error(tleg_writer_create(context, in_scratch("out"), sum, 2, NULL, 0, &writer), TLEG_ERROR_ARGUMENT,
                 "larger than any file");
    assert_int_equal(clean_scratch(), 0);
}

static void each_failing_allocation_leaves_nothing_behind(void **state) {
    (void)state;
    static const char *const names[] = {"a", "b"}, *const pairs[] = {"k", "v"};
    int64_t size = 3;
    tleg_tensor *tensor;
    OK(tleg_tensor_create(context, TLEG_F32, 1, &size, &tensor));
    const tleg_tensor *tensors[] = {tensor, tensor};
    int64_t before = counter.live, failures = 0;
    clean_scratch();
    for (tleg_status status = TLEG_ERROR_MEMORY; status != TLEG_OK; failures++) {
        assert_int_equal(clean_scratch(), 0);
        assert_int_equal(symlink("out", in_scratch("link")), 0);
        counter.calls = 0;
        counter.fail_at = failures + 1;
        status = tleg_file_save(context, in_scratch("link"), 2, names, tensors, SAVE_WITH(1, pairs));
        if (status != TLEG_OK)
            assert_error(status, TLEG_ERROR_MEMORY, "memory");
        assert_true(exists(in_scratch("out")) == (status == TLEG_OK));
        assert_int_equal(counter.live, before);
        unlink(in_scratch("link"));
    }
    counter.fail_at = 0;
    assert_true(failures > 8);
    assert_int_equal(clean_scratch(), 1);
    tleg_tensor_free(tensor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_of_a_file_are_determined),
        cmocka_unit_test(a_file_without_tensors_or_metadata_can_be_written),
        cmocka_unit_test(a_file_is_replaced_whole_and_nothing_else_stays),
        cmocka_unit_test(a_new_file_obeys_the_umask_and_a_former_mode_is_kept),
        cmocka_unit_test(a_private_files_new_version_is_private_while_it_is_written),
        cmocka_unit_test(owner_and_group_are_kept_where_they_can_be),
#ifdef __linux__
        cmocka_unit_test(an_access_list_is_kept_and_none_is_inherited),
#endif
        cmocka_unit_test(a_file_that_is_being_written_is_locked),
        cmocka_unit_test(a_size_limit_is_an_error_and_no_signal),
        cmocka_unit_test(a_symbolic_link_is_written_through),
        cmocka_unit_test(a_target_that_is_no_file_is_refused_before_the_work),
        cmocka_unit_test(a_full_disk_leaves_the_former_file_and_nothing_else),
        cmocka_unit_test(an_unfinished_file_never_appears),
        cmocka_unit_test(two_writers_of_one_path_do_not_mix),
        cmocka_unit_test(wrong_arguments_are_named_and_nothing_is_written),
        cmocka_unit_test(impossible_tensors_are_refused),
        cmocka_unit_test(each_failing_allocation_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
