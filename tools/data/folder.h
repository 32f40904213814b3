/* A folder of labelled pictures, DIR/class/.../image, in an order that is the same on every machine. */
#ifndef TLEG_TOOLS_FOLDER_H
#define TLEG_TOOLS_FOLDER_H

#include <stddef.h>
#include <stdint.h>

enum { FOLDER_ERROR = 4096 + 1024 }; /* room for any path and the reason */

struct folder_class {
    char *name;    /* of the folder: the first below DIR, where a link stands and not where it points */
    int32_t label; /* its place in the model's labels, or among the folders when there are none */
    size_t images; /* 0: an empty class */
};

struct folder_image {
    char *path; /* DIR/class/... */
    int32_t label;
};

struct folder {
    struct folder_class *classes; /* sorted by bytes, as Python sorts strings */
    size_t class_count;
    struct folder_image *images; /* by class, then by path */
    size_t image_count;
};

/* Lists every file with the name of an image, whatever its format (picture_read says what it cannot read), in the folders
 * of DIR and below. Links are followed, to each real folder once a class, and into 64 classes at most: what is listed follows
 * what there is, whatever ways lead to it. Names that begin with a dot, other files, and within a class links to nothing
 * without an image's name are passed over. Names of class folders must be UTF-8, and no two the same in Unicode's normal form.
 * labels: the model's class names, by which the folders are matched in that form (a class may be missing, a folder that is not
 * a label is an error); NULL: the sorted folders are the classes 0, 1, 2 ... Returns 0, or -1 with the reason in `error` and
 * *out zeroed. */
int folder_read(const char *dir, const char *const *labels, int32_t label_count, struct folder *out, char *error,
                size_t error_size);

/* The same files in DIR itself and in the folders below it, whatever these stand for: one class, whose name is empty, by path.
 */
int folder_read_all(const char *dir, struct folder *out, char *error, size_t error_size);

/* NULL and zeroed are allowed; zeroes *folder. */
void folder_free(struct folder *folder);

#endif
