/* What the readers of the kinds of data sets share. */
#ifndef TLEG_TOOLS_DATA_PRIVATE_H
#define TLEG_TOOLS_DATA_PRIVATE_H

#include "dataset.h"

/* Binary files in the folder, if there are any (*found). Fills classes, samples and files. */
int dataset_read_cifar(const struct invocation *call, struct dataset *set, bool *found);
int dataset_read_idx(const struct invocation *call, struct dataset *set, bool *found);

/* The file of latents that set->options.dir is. */
int dataset_read_latents(const struct invocation *call, struct dataset *set);
void dataset_close_latents(struct latents *latents); /* zeroed is allowed */
/* Reads all latents, names those that are not finite numbers, and leaves them out. */
int dataset_skip_latents(const struct invocation *call, struct dataset *set);
size_t dataset_latent_numbers(const struct latents *latents); /* of one */

/* The text in memory of its own; NULL after saying that there is none. */
__attribute__((format(printf, 2, 3))) char *dataset_text(const struct invocation *call, const char *format, ...);

struct names {
    char **items;
    size_t count, capacity;
};

/* The names in a folder that `wanted` accepts, sorted; not those of folders, devices and the like. */
int names_list(const struct invocation *call, const char *dir, bool (*wanted)(const char *name), struct names *names);
/* The lines of a file, none of them empty; none, and no error, where there is no such file. */
int names_read(const struct invocation *call, const char *path, struct names *names);
void names_free(struct names *names);

/* A whole file. */
int dataset_load(const struct invocation *call, const char *path, uint8_t **bytes, size_t *size);
/* Room for one more file, zeroed; NULL after saying that there is none. */
struct dataset_file *dataset_add_file(const struct invocation *call, struct dataset *set);
/* Room for `more` samples after those there are; NULL likewise. */
struct sample *dataset_add_samples(const struct invocation *call, struct dataset *set, size_t more);
/* Names the classes as the call asked for, else by `names` (which it takes over), else by numbers up to the largest label. Then
 * a label beyond them is an error. */
int dataset_name_classes(const struct invocation *call, struct dataset *set, struct names *names);
/* The same where `names` are the data's own: they give the classes that the call asked for their numbers. Other names than
 * those are an error. */
int dataset_name_as_asked(const struct invocation *call, struct dataset *set, struct names *names);

#endif
