/* Labelled pictures to learn from: class folders, CIFAR's binary files, or IDX files (MNIST's); or latents in a file of
 * tensors. */
#ifndef TLEG_TOOLS_DATASET_H
#define TLEG_TOOLS_DATASET_H

#include "base/tool.h"
#include "folder.h"
#include "pictures/picture.h"

enum { DATASET_NAME = 4096 + 32 };

/* Which of the binary files in a folder are meant: those to learn from, or those whose names say
 * test or t10k. */
enum dataset_role { DATASET_LEARN, DATASET_JUDGE };

struct dataset_options {
    const char *dir;
    enum dataset_role role;
    const char *const *classes; /* names to be matched, in the order of their numbers; NULL: whatever the data have */
    int32_t class_count;
    uint64_t cache; /* bytes of decoded pictures to hold */
    bool skip_bad, exif;
    bool latents;    /* dir may be a file of these instead of a folder */
    bool numbered;   /* classes are numbers alone: names of the data's own do not count */
    bool unlabelled; /* classes do not matter: pictures may lie in DIR itself, and a class may have none */
};

/* A picture whose pixels are held, or are decoded when they are asked for. */
struct sample {
    const char *file;
    int64_t number; /* in a binary file, or of a latent; -1: the file is the picture */
    size_t place;   /* among the pictures of its class, in file order */
    int32_t label;
    int32_t layout, width, height; /* of held pixels: TLEG_PIXELS_* */
    bool fitted;                   /* they are the model's input already, resized and cropped */
    uint8_t *pixels;               /* NULL: not held */
};

/* A file with "latents" (N, channels, height, width), f32, f16 or bf16; perhaps "labels" (N), i64 or i32, and in its metadata
 * "tleg.labels", their names, and "latent_scale". */
struct latents {
    tleg_context *context;
    tleg_file *file; /* NULL: the set holds pictures */
    int32_t channels, height, width;
    double said;  /* the scale that the file says; 0: none */
    double scale; /* by which its numbers are multiplied when they are read */
};

struct dataset_file {
    char *path;
    uint8_t *bytes; /* the whole file */
};

struct dataset {
    struct dataset_options options;
    char **classes;
    int32_t class_count;
    int32_t *label_of; /* the label of each class in the data's own order: another since dataset_match */
    bool named;        /* the names are the data's own, not just numbers */
    bool features;     /* class_count counts a teacher's features, and no picture has a class */
    struct sample *samples;
    size_t count;
    uint64_t held;              /* bytes of pixels in memory */
    struct folder folder;       /* owns the paths of pictures in class folders */
    struct dataset_file *files; /* and these own paths and pixels of binary sets */
    size_t file_count;
    struct latents latents;
};

/* Class folders alone, as they are: a class may be empty, and no picture is looked at yet. set->folder has the folders. Returns
 * an exit code; dataset_close is right after a failure too. */
int dataset_open_folder(const struct invocation *call, const struct dataset_options *options, struct dataset *set);
/* Lists the pictures and checks that no class is empty. Returns an exit code; dataset_close is right after a failure too. */
int dataset_open(const struct invocation *call, const struct dataset_options *options, struct dataset *set);
/* Pictures in a tensor (count, 1 or 3, height, width), -1 to 1, as the bytes that a picture file would hold of them;
 * unlabelled. path: of its file. Returns an exit code; dataset_close likewise. */
int dataset_open_tensor(const struct invocation *call, const char *path, const tleg_tensor_info *images, struct dataset *set);
/* Decodes as many as the cache holds, within half of the memory that is left to the process: at the model's size where they are
 * only prepared, and never augmented; config: what they are prepared for. A picture that cannot be read is an error where it is
 * met; with skip_bad all are read, whatever the cache, and the bad ones named and left out. */
int dataset_hold(const struct invocation *call, struct dataset *set, const tleg_config *config, bool only_prepared);
void dataset_close(struct dataset *set);

/* Takes over the numbers that a learngene's or model's labels give the classes, in whatever normal form; classes that are just
 * numbers keep theirs. *same false, with nothing changed: the names differ. Returns an exit code. */
int dataset_match(const struct invocation *call, struct dataset *set, const char *const *labels, int32_t count, bool *same);

/* Forgets the classes: what is told of a picture are `count` numbers of a teacher. Returns an exit code. */
int dataset_take_features(const struct invocation *call, struct dataset *set, int32_t count);
enum { DATASET_COUNTS = 48 };
/* "10 classes", "384 features" */
const char *dataset_counts(const struct dataset *set, char text[DATASET_COUNTS]);

/* The pixels of a picture; picture_free(own) when done with them. 0, or PICTURE_* with the reason, which names the file. */
int dataset_picture(const struct dataset *set, size_t i, tleg_image *image, struct picture *own, char error[PICTURE_ERROR]);
/* A latent, times the scale, as out (channels, height, width). 0, or PICTURE_* likewise. Any thread, with a context of its own.
 */
int dataset_latent(const struct dataset *set, tleg_context *context, size_t i, float *out, char error[PICTURE_ERROR]);
/* How stored logits name it: CLASS/NAME.jpg below the folder, or FILE.bin:7. */
void dataset_name(const struct dataset *set, size_t i, char name[DATASET_NAME]);

/* Some pictures of a set, in order. */
struct part {
    const struct dataset *set;
    size_t *items;
    size_t count;
};

/* No more pictures at once than there are: each takes memory. */
static inline int32_t part_batch(const struct part *part, int32_t batch) {
    return part->count < (size_t)batch ? (int32_t)part->count : batch;
}

/* every > 0: `judged` gets the pictures whose place in their class is divisible by it, `learned` the others; 0: `learned` gets
 * all. Returns an exit code; part_free is right after a failure too. */
int part_split(const struct invocation *call, const struct dataset *set, int32_t every, struct part *learned,
               struct part *judged);
/* All pictures, or `most` spread evenly over them; 0: all. */
int part_spread(const struct invocation *call, const struct dataset *set, size_t most, struct part *part);
/* Which of `count` is the i-th of `taken` that are spread evenly. */
size_t part_place(size_t i, size_t count, size_t taken);
/* The standard deviation of the numbers of a thousand latents throughout the part, times the scale. Returns an exit code. */
int part_spread_of_latents(const struct invocation *call, const struct part *part, double *spread);
void part_free(struct part *part);
/* A number that differs when names, labels or order do. */
uint64_t part_fingerprint(const struct part *part);
/* One that also differs when the sizes of files, or the bytes at both ends of some 1,000 of them, do. */
uint64_t part_identity(const struct part *part);
/* One that also differs when the bytes of one of 64 pictures throughout the part do. */
uint64_t part_digest(const struct part *part);
/* One that differs when what the pictures' files hold does, as far as the sizes of all and the ends of a thousand say; of
 * binary files every picture counts, and of latents a thousand. */
uint64_t part_contents(const struct part *part);

#endif
