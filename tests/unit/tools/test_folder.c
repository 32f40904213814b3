/* Folders of pictures, as the command walks them. Compiled with tools/data/folder.c. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "support/support.h"

#include "data/folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[512];

static const char *below_root(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* Makes the files of a tree, empty, with the folders above them; a name that ends in "/" is a folder. */
static void plant(const char *const *names) {
    snprintf(root, sizeof root, "%s", support_scratch("tree-XXXXXX"));
    assert_non_null(mkdtemp(root));
    for (; *names != NULL; names++) {
        char path[1024];
        snprintf(path, sizeof path, "%s", below_root(*names));
        for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
            *slash = '\0';
            mkdir(path, 0700);
            *slash = '/';
        }
        if (path[strlen(path) - 1] == '/')
            continue;
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fclose(file);
    }
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static void fell(void) {
    assert_int_equal(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* "class label:images ..." and "label path ..." of a folder, paths below the root. */
static void check_folder(const char *const *labels, int32_t label_count, const char *classes, const char *images) {
    struct folder folder;
    char error[FOLDER_ERROR] = "", found[4096];
    if (folder_read(root, labels, label_count, &folder, error, sizeof error) != 0)
        fail_msg("%s", error);
    size_t length = 0;
    for (size_t i = 0; i < folder.class_count; i++)
        length += (size_t)snprintf(found + length, sizeof found - length, "%s%s %d:%zu", i > 0 ? " " : "",
                                   folder.classes[i].name, folder.classes[i].label, folder.classes[i].images);
    assert_string_equal(found, classes);
    length = 0;
    for (size_t i = 0; i < folder.image_count; i++) {
        assert_memory_equal(folder.images[i].path, root, strlen(root));
        length += (size_t)snprintf(found + length, sizeof found - length, "%s%d %s", i > 0 ? " " : "", folder.images[i].label,
                                   folder.images[i].path + strlen(root) + 1);
    }
    assert_string_equal(found, images);
    folder_free(&folder);
    assert_int_equal(folder.image_count, 0);
}

static void folder_refused(const char *const *labels, int32_t label_count, const char *what) {
    struct folder folder;
    char error[FOLDER_ERROR] = "";
    if (folder_read(root, labels, label_count, &folder, error, sizeof error) == 0)
        fail_msg("the folder was read; expected an error with \"%s\"", what);
    assert_true(folder.images == NULL && folder.classes == NULL);
    if (strstr(error, root) == NULL || strstr(error, what) == NULL)
        fail_msg("\"%s\" does not name the folder and \"%s\"", error, what);
}

static void classes_and_images_come_in_pythons_order(void **state) {
    (void)state;
    plant((const char *const[]){"2/b.jpg", "10/x.jpg", "1/B.jpg", "1/a.jpg", "b/1.jpg", "B/1.jpg", "\xc3\xa4/1.jpg", "1/10.jpg",
                                "1/9.jpg", NULL});
    check_folder(NULL, 0, "1 0:4 10 1:1 2 2:1 B 3:1 b 4:1 \xc3\xa4 5:1",
                 "0 1/10.jpg 0 1/9.jpg 0 1/B.jpg 0 1/a.jpg 1 10/x.jpg 2 2/b.jpg 3 B/1.jpg 4 b/1.jpg 5 \xc3\xa4/1.jpg");
    fell();
}

static void what_is_no_image_is_passed_over(void **state) {
    (void)state;
    plant((const char *const[]){".git/a.jpg", "bee/.DS_Store", "bee/Thumbs.db", "bee/._a.jpg", "bee/a.jpg", "bee/notes.txt",
                                "bee/jpg", "bee/.hidden/b.jpg", "README.md", NULL});
    check_folder(NULL, 0, "bee 0:1", "0 bee/a.jpg");
    fell();
}

static void endings_are_compared_without_case_and_other_formats_are_not_lost(void **state) {
    (void)state;
    plant((const char *const[]){"bee/a.JPG", "bee/b.Jpeg", "bee/c.PNG", "bee/d.webp", "bee/e.GIF", "bee/f.tiff", "bee/g.heic",
                                "bee/h.Nef", NULL});
    check_folder(NULL, 0, "bee 0:8",
                 "0 bee/a.JPG 0 bee/b.Jpeg 0 bee/c.PNG 0 bee/d.webp 0 bee/e.GIF 0 bee/f.tiff 0 bee/g.heic 0 bee/h.Nef");
    fell();
}

static void folders_below_a_class_belong_to_it(void **state) {
    (void)state;
    plant((const char *const[]){"bee/x/y/a.jpg", "bee/x.jpg/b.jpg", "fern/x/a.jpg", NULL});
    check_folder(NULL, 0, "bee 0:2 fern 1:1", "0 bee/x.jpg/b.jpg 0 bee/x/y/a.jpg 1 fern/x/a.jpg");
    fell();
}

static void links_count_where_they_stand_and_circles_end(void **state) {
    (void)state;
    plant((const char *const[]){"store/bee/a.jpg", "data/fern/b.jpg", NULL});
    assert_int_equal(symlink("../store/bee", below_root("data/kite")), 0);
    assert_int_equal(symlink("../../store/bee/a.jpg", below_root("data/fern/c.jpg")), 0);
    assert_int_equal(symlink("nowhere", below_root("data/fern/lost.jpg")), 0); /* listed: reading it says what is wrong */
    assert_int_equal(symlink("nowhere", below_root("data/fern/lost")), 0);     /* no image's name: passed over, as the next */
    assert_int_equal(symlink("loop", below_root("data/fern/loop")), 0);
    assert_int_equal(symlink("..", below_root("data/fern/up")), 0);
    assert_int_equal(symlink(".", below_root("data/fern/self")), 0);
    strcat(root, "/data");
    check_folder(NULL, 0, "fern 0:3 kite 1:1", "0 fern/b.jpg 0 fern/c.jpg 0 fern/lost.jpg 1 kite/a.jpg");
    *strrchr(root, '/') = '\0';
    fell();
}

static void labels_are_matched_by_name(void **state) {
    (void)state;
    static const char *const labels[] = {"tram", "bee", "owl"};
    plant((const char *const[]){"bee/a.jpg", "tram/b.jpg", NULL});
    check_folder(labels, 3, "bee 1:1 tram 0:1", "1 bee/a.jpg 0 tram/b.jpg");
    fell();
    plant((const char *const[]){"bee/a.jpg", "unknown_bird/b.jpg", NULL});
    folder_refused(labels, 3, "unknown_bird: this folder is not a class of the model, whose 3 labels are tram, bee, owl");
    fell();
    static const char *const spelt[] = {"tram", "night snake"};
    plant((const char *const[]){"tram/a.jpg", "Night_Snake/b.jpg", NULL});
    folder_refused(spelt, 2, "Night_Snake: this folder is not a class of the model; did you mean its label \"night snake\"?");
    fell();
    static const char *const twins[] = {"crane", "bee", "crane"}; /* a bird and a machine, as in ImageNet */
    plant((const char *const[]){"bee/a.jpg", NULL});
    check_folder(twins, 3, "bee 1:1", "1 bee/a.jpg");
    fell();
    plant((const char *const[]){"bee/a.jpg", "crane/b.jpg", NULL});
    folder_refused(twins, 3, "crane: the model has two classes of this name, 0 and 2");
    fell();
}

#define COMPOSED "caf\xc3\xa9"    /* é in one character */
#define DECOMPOSED "cafe\xcc\x81" /* e and an accent, as macOS writes names */

static void a_label_is_the_same_in_any_normal_form(void **state) {
    (void)state;
    static const char *const composed[] = {"bee", COMPOSED}, *const decomposed[] = {"bee", DECOMPOSED};
    plant((const char *const[]){"bee/a.jpg", DECOMPOSED "/b.jpg", NULL});
    check_folder(composed, 2, "bee 0:1 " DECOMPOSED " 1:1", "0 bee/a.jpg 1 " DECOMPOSED "/b.jpg");
    fell();
    plant((const char *const[]){"bee/a.jpg", COMPOSED "/b.jpg", NULL});
    check_folder(decomposed, 2, "bee 0:1 " COMPOSED " 1:1", "0 bee/a.jpg 1 " COMPOSED "/b.jpg");
    fell();
    plant((const char *const[]){COMPOSED "/a.jpg", DECOMPOSED "/b.jpg", NULL});
    folder_refused(NULL, 0, "stands there twice");
    folder_refused(composed, 2, "stands there twice");
    fell();
    static const char *const both[] = {COMPOSED, DECOMPOSED};
    plant((const char *const[]){COMPOSED "/a.jpg", NULL});
    folder_refused(both, 2, "the model has two classes of this name, 0 and 1");
    fell();
    static const char *const similar[] = {"caf\xc3\xa8", "\xef\xac\x81n"}; /* another accent; a ligature, which stays one */
    plant((const char *const[]){"fin/a.jpg", NULL});
    folder_refused(similar, 2, "is not a class of the model");
    fell();
}

static void a_class_folder_whose_name_is_not_utf8_is_refused(void **state) {
    (void)state;
    static const char *const labels[] = {"bee", "caf\xef\xbf\xbd"};
    plant((const char *const[]){"bee/a\xe9.jpg", "caf\xe9/b.jpg", NULL});
    folder_refused(NULL, 0, "the name of this folder is not UTF-8");
    folder_refused(labels, 2, "the name of this folder is not UTF-8");
    fell();
    plant((const char *const[]){"bee/a\xe9.jpg", "bee/d\xe9/b.jpg", NULL}); /* names that are no label may be anything */
    check_folder(NULL, 0, "bee 0:2", "0 bee/a\xe9.jpg 0 bee/d\xe9/b.jpg");
    fell();
}

/* DIR/CLASS/link and so on. */
static void link_to(const char *target, const char *format, int k) {
    char name[64];
    snprintf(name, sizeof name, format, k);
    assert_int_equal(symlink(target, below_root(name)), 0);
}

/* Each of 30 folders has two links to the next: a thousand million ways lead to the last one. */
static void a_folder_counts_once_for_a_class_whatever_links_lead_to_it(void **state) {
    (void)state;
    plant((const char *const[]){"data/bee/a.jpg", "data/fern/b.jpg", "pool/30/c.jpg", NULL});
    for (int k = 0; k < 30; k++) {
        char name[32], next[32];
        snprintf(name, sizeof name, "pool/%d", k);
        snprintf(next, sizeof next, "../%d", k + 1);
        mkdir(below_root(name), 0700);
        link_to(next, "pool/%d/one", k);
        link_to(next, "pool/%d/two", k);
    }
    link_to("../../pool/1", "data/bee/%d", 1);
    link_to("../../pool/1", "data/bee/%d", 2);
    link_to("../../pool/9", "data/fern/%d", 9);
    strcat(root, "/data");
    struct folder folder;
    char error[FOLDER_ERROR] = "";
    if (folder_read(root, NULL, 0, &folder, error, sizeof error) != 0)
        fail_msg("%s", error);
    assert_int_equal(folder.image_count, 4);
    assert_int_equal(folder.classes[0].images, 2);
    folder_free(&folder);
    *strrchr(root, '/') = '\0';
    fell();
}

static void a_folder_stands_in_64_classes_at_most(void **state) {
    (void)state;
    plant((const char *const[]){"pool/a.jpg", "data/", NULL});
    strcat(root, "/data");
    struct folder folder;
    char error[FOLDER_ERROR] = "";
    for (int k = 0; k < 64; k++)
        link_to("../pool", "c%02d", k);
    assert_int_equal(folder_read(root, NULL, 0, &folder, error, sizeof error), 0);
    assert_int_equal(folder.image_count, 64);
    folder_free(&folder);
    link_to("../pool", "c%02d", 64);
    folder_refused(NULL, 0, "c64: links put this folder into more than 64 classes");
    *strrchr(root, '/') = '\0';
    fell();
}

static void an_empty_class_is_kept_with_no_images(void **state) {
    (void)state;
    plant((const char *const[]){"bee/a.jpg", "kite/", NULL});
    check_folder(NULL, 0, "bee 0:1 kite 1:0", "0 bee/a.jpg");
    fell();
}

static void a_folder_without_classes_is_refused_with_the_layout(void **state) {
    (void)state;
    plant((const char *const[]){"a.jpg", "b.jpg", NULL});
    folder_refused(NULL, 0, "DIR/class/image");
    fell();
    plant((const char *const[]){"bee/a.jpg", "stray.PNG", NULL});
    folder_refused(NULL, 0, "stray.PNG");
    fell();
    plant((const char *const[]){"notes.txt", NULL});
    folder_refused(NULL, 0, "DIR/class/image");
    fell();
    plant((const char *const[]){"bee/notes.txt", NULL});
    folder_refused(NULL, 0, "no images");
    fell();
    folder_refused(NULL, 0, "No such file");
}

/* Pictures as such: in the folder itself and below it, whatever the folders are called, each real folder once. */
static void all_pictures_below_a_folder_are_one_class(void **state) {
    (void)state;
    struct folder folder;
    char error[FOLDER_ERROR] = "";
    plant((const char *const[]){"b.jpg", "bee/a.png", "bee/caf\xe9/1.jpg", "empty/", "notes.txt", ".hid/x.jpg", NULL});
    assert_int_equal(symlink("..", below_root("bee/back")), 0);
    assert_int_equal(symlink("bee", below_root("again")), 0);
    assert_int_equal(folder_read_all(root, &folder, error, sizeof error), 0);
    assert_int_equal(folder.class_count, 1);
    assert_string_equal(folder.classes[0].name, "");
    assert_int_equal(folder.image_count, 3);
    assert_int_equal(folder.classes[0].images, 3);
    assert_string_equal(folder.images[0].path + strlen(root), "/again/a.png");
    assert_string_equal(folder.images[1].path + strlen(root), "/again/caf\xe9/1.jpg");
    assert_string_equal(folder.images[2].path + strlen(root), "/b.jpg");
    folder_free(&folder);
    fell();
    plant((const char *const[]){"bee/", "notes.txt", NULL});
    assert_int_equal(folder_read_all(root, &folder, error, sizeof error), -1);
    assert_non_null(strstr(error, "no pictures in it"));
    assert_true(folder.images == NULL && folder.classes == NULL);
    fell();
    assert_int_equal(folder_read_all(root, &folder, error, sizeof error), -1);
    assert_non_null(strstr(error, "No such file"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_and_images_come_in_pythons_order),
        cmocka_unit_test(what_is_no_image_is_passed_over),
        cmocka_unit_test(endings_are_compared_without_case_and_other_formats_are_not_lost),
        cmocka_unit_test(folders_below_a_class_belong_to_it),
        cmocka_unit_test(links_count_where_they_stand_and_circles_end),
        cmocka_unit_test(labels_are_matched_by_name),
        cmocka_unit_test(a_label_is_the_same_in_any_normal_form),
        cmocka_unit_test(a_class_folder_whose_name_is_not_utf8_is_refused),
        cmocka_unit_test(a_folder_counts_once_for_a_class_whatever_links_lead_to_it),
        cmocka_unit_test(a_folder_stands_in_64_classes_at_most),
        cmocka_unit_test(an_empty_class_is_kept_with_no_images),
        cmocka_unit_test(a_folder_without_classes_is_refused_with_the_layout),
        cmocka_unit_test(all_pictures_below_a_folder_are_one_class),
    };
    return cmocka_run_group_tests(tests, NULL, support_clean);
}
