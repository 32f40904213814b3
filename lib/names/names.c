/* A file under the library's names: by the host's rules, or by those of the family that it is of. */
#include "names/private.h"

#include <string.h>

/* The library's own files say so. */
static bool is_own(const tleg_file *file) {
    return tleg_file_get_metadata(file, "tleg.kind") != NULL;
}

static tleg_status by_family(tleg_context *context, const tleg_file *file, tleg_file **named) {
    struct tleg_naming naming = {.context = context, .file = file};
    const tleg_status status = is_own(file) ? TLEG_OK : tleg_names_recognise(context, file, &naming.family, &naming.prefix);
    if (status != TLEG_OK)
        return status;
    if (!naming.family)
        return tleg_file_view(context, file, "", named);
    naming.rules = naming.family->rules;
    tleg_log(context, "%s: read as %s%s%s", tleg_file_label(file), naming.family->name,
             naming.family->assumed ? "; assumed, as its tensors do not say: " : "",
             naming.family->assumed ? naming.family->assumed : "");
    return tleg_names_apply(&naming, named);
}

tleg_status tleg_names_read(tleg_context *context, const tleg_file *file, const char *rules, tleg_file **named) {
    *named = NULL;
    if (!rules)
        return by_family(context, file, named);
    const struct tleg_naming naming = {.context = context, .file = file, .rules = rules};
    return tleg_names_apply(&naming, named);
}
