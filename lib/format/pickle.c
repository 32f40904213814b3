/* A reader of Python's pickles, protocols 2 to 5. Nothing in one is run or looked up: what a pickle would call becomes a value
 * that says what would have been called with which arguments (TLEG_PICKLE_CALL), for the reader above to recognise or drop.
 *
 * Values and items lie in arrays and point at each other by index, so that a value which is used a thousand times is there
 * once. An opcode makes two values at most, so memory follows the length of the pickle; nothing here recurses. */
#include "format/private.h"

#include <string.h>

/* Values that are there once: None, which also stands for what is none of ours, and for "there is none"; the empty tuple. */
enum { NONE, EMPTY };

struct machine {
    struct tleg_pickle *pickle;
    const unsigned char *text; /* of the pickle */
    size_t length, at;
    struct tleg_array stack, marks, memo; /* of uint32_t */
    const char *fault;                    /* why it stopped; NULL while all is well, or memory is wanting */
};

static bool fail(struct machine *machine, const char *fault) {
    machine->fault = fault;
    return false;
}

static struct tleg_pickle_value *value_at(const struct machine *machine, uint32_t value) {
    return (struct tleg_pickle_value *)machine->pickle->values.items + value;
}

/* ---- making values ---- */

static bool push_index(struct machine *machine, struct tleg_array *array, uint32_t index) {
    uint32_t *place = tleg_array_add(&machine->pickle->allocator, array, sizeof *place);
    if (place)
        *place = index;
    return place != NULL;
}

/* A new value, of a kind; *index is its. */
static struct tleg_pickle_value *make(struct machine *machine, enum tleg_pickle_kind kind, uint32_t *index) {
    struct tleg_array *values = &machine->pickle->values;
    *index = (uint32_t)values->count;
    if (values->count > 4096 + machine->length / 2) {
        fail(machine, "holds more values than a pickle of its length");
        return NULL;
    }
    struct tleg_pickle_value *value = tleg_array_add(&machine->pickle->allocator, values, sizeof *value);
    if (value)
        *value = (struct tleg_pickle_value){.kind = (uint8_t)kind};
    return value;
}

static bool push_new(struct machine *machine, enum tleg_pickle_kind kind) {
    uint32_t index;
    return make(machine, kind, &index) && push_index(machine, &machine->stack, index);
}

static bool push_other(struct machine *machine) {
    return push_index(machine, &machine->stack, NONE);
}

static bool push_number(struct machine *machine, int64_t number) {
    uint32_t index;
    struct tleg_pickle_value *value = make(machine, TLEG_PICKLE_NUMBER, &index);
    if (!value)
        return false;
    value->as.number = number;
    return push_index(machine, &machine->stack, index);
}

/* ---- the stack ---- */

static size_t floor_of(const struct machine *machine) {
    return machine->marks.count ? ((const uint32_t *)machine->marks.items)[machine->marks.count - 1] : 0;
}

/* The top of the stack, above the last mark, which is taken off; false when there is none. */
static bool pop(struct machine *machine, uint32_t *value) {
    if (machine->stack.count <= floor_of(machine))
        return fail(machine, "takes what is not there");
    *value = ((const uint32_t *)machine->stack.items)[--machine->stack.count];
    return true;
}

static bool top(struct machine *machine, uint32_t *value) {
    if (machine->stack.count <= floor_of(machine))
        return fail(machine, "takes what is not there");
    *value = ((const uint32_t *)machine->stack.items)[machine->stack.count - 1];
    return true;
}

/* The values since the last mark, which both come off the stack: [*first, first + *count) until the next push. */
static bool pop_mark(struct machine *machine, const uint32_t **first, size_t *count) {
    if (machine->marks.count == 0)
        return fail(machine, "has no mark where it needs one");
    const size_t from = floor_of(machine);
    machine->marks.count--;
    *count = machine->stack.count - from;
    machine->stack.count = from;
    *first = *count ? (const uint32_t *)machine->stack.items + from : NULL;
    return true;
}

/* ---- what is in values ---- */

static bool add_item(struct machine *machine, uint32_t container, uint32_t key, uint32_t value) {
    struct tleg_array *items = &machine->pickle->items;
    const uint32_t index = (uint32_t)items->count;
    struct tleg_pickle_item *item = tleg_array_add(&machine->pickle->allocator, items, sizeof *item);
    if (!item)
        return false;
    *item = (struct tleg_pickle_item){.key = key, .value = value};
    struct tleg_pickle_value *in = value_at(machine, container);
    if (in->first)
        ((struct tleg_pickle_item *)items->items)[in->last].next = index;
    else
        in->first = index;
    in->last = index;
    return true;
}

/* Whether something may be put into a value: what would be a call's result may be of a class derived from list or dict. */
static bool is_container(const struct machine *machine, uint32_t value) {
    const int kind = value_at(machine, value)->kind;
    return kind == TLEG_PICKLE_LIST || kind == TLEG_PICKLE_DICT || kind == TLEG_PICKLE_CALL;
}

static bool add_all(struct machine *machine, uint32_t container, const uint32_t *values, size_t count, bool pairs) {
    if (!is_container(machine, container) || (pairs && count % 2 != 0))
        return fail(machine, "puts values into what cannot hold them");
    const size_t step = pairs ? 2 : 1;
    for (size_t i = 0; i < count; i += step)
        if (!add_item(machine, container, pairs ? values[i] : 0, values[i + step - 1]))
            return false;
    return true;
}

/* The values since the mark, into what lies below it. */
static bool add_marked(struct machine *machine, bool pairs) {
    const uint32_t *values;
    size_t count;
    uint32_t container;
    return pop_mark(machine, &values, &count) && top(machine, &container) && add_all(machine, container, values, count, pairs);
}

static bool add_one(struct machine *machine, bool pair) {
    uint32_t item[2] = {0}, container;
    return pop(machine, &item[1]) && (!pair || pop(machine, &item[0])) && top(machine, &container) &&
           add_all(machine, container, pair ? item : item + 1, pair ? 2 : 1, pair);
}

/* A new tuple, list or dict of what was taken from the stack; nothing was pushed since. */
static bool push_filled(struct machine *machine, enum tleg_pickle_kind kind, const uint32_t *values, size_t count) {
    uint32_t index;
    if (!make(machine, kind, &index))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add_item(machine, index, 0, values[i]))
            return false;
    return push_index(machine, &machine->stack, index);
}

static bool push_marked(struct machine *machine, enum tleg_pickle_kind kind) {
    const uint32_t *values;
    size_t count;
    if (!pop_mark(machine, &values, &count))
        return false;
    if (kind != TLEG_PICKLE_DICT)
        return push_filled(machine, kind, values, count);
    uint32_t index;
    return make(machine, kind, &index) && add_all(machine, index, values, count, true) &&
           push_index(machine, &machine->stack, index);
}

static bool push_tuple(struct machine *machine, int count) {
    uint32_t values[3];
    for (int i = count; i-- > 0;)
        if (!pop(machine, &values[i]))
            return false;
    return push_filled(machine, TLEG_PICKLE_TUPLE, values, (size_t)count);
}

/* ---- calls, which are not made ---- */

static bool push_call(struct machine *machine, uint32_t callable, uint32_t arguments) {
    uint32_t index;
    struct tleg_pickle_value *value = make(machine, TLEG_PICKLE_CALL, &index);
    if (!value)
        return false;
    value->as.call.callable = callable;
    value->as.call.arguments = arguments;
    return push_index(machine, &machine->stack, index);
}

/* REDUCE, NEWOBJ and, with keywords, NEWOBJ_EX. */
static bool call(struct machine *machine, bool keywords) {
    uint32_t callable, arguments, words;
    return (!keywords || pop(machine, &words)) && pop(machine, &arguments) && pop(machine, &callable) &&
           push_call(machine, callable, arguments);
}

/* OBJ: a class and its arguments, since the mark. */
static bool call_marked(struct machine *machine) {
    const uint32_t *values;
    size_t count;
    if (!pop_mark(machine, &values, &count))
        return false;
    if (count == 0)
        return fail(machine, "makes an object of no class");
    return push_call(machine, values[0], 0);
}

/* The state of an object: what it was given last counts. */
static bool build(struct machine *machine) {
    uint32_t state, object;
    if (!pop(machine, &state) || !top(machine, &object))
        return false;
    if (value_at(machine, object)->kind == TLEG_PICKLE_CALL)
        value_at(machine, object)->state = state;
    return true;
}

static bool refer(struct machine *machine) {
    uint32_t id, index;
    if (!pop(machine, &id))
        return false;
    struct tleg_pickle_value *value = make(machine, TLEG_PICKLE_REFERENCE, &index);
    if (!value)
        return false;
    value->as.call.arguments = id;
    return push_index(machine, &machine->stack, index);
}

/* ---- bytes of the pickle ---- */

static bool take(struct machine *machine, size_t bytes, const unsigned char **out) {
    if (bytes > machine->length - machine->at)
        return fail(machine, "ends in the middle");
    *out = machine->text + machine->at;
    machine->at += bytes;
    return true;
}

/* A number of `bytes` bytes, at most 8, without a sign. */
static bool take_count(struct machine *machine, size_t bytes, uint64_t *count) {
    const unsigned char *from;
    if (!take(machine, bytes, &from))
        return false;
    *count = 0;
    for (size_t i = bytes; i-- > 0;)
        *count = *count << 8 | from[i];
    return true;
}

/* A number in two's complement; one that 64 bits do not hold is none of ours. */
static bool push_integer(struct machine *machine, uint64_t bytes) {
    const unsigned char *from;
    if (bytes > machine->length - machine->at)
        return fail(machine, "ends in the middle");
    if (!take(machine, (size_t)bytes, &from))
        return false;
    if (bytes > 8)
        return push_other(machine);
    uint64_t number = bytes > 0 && from[bytes - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = (size_t)bytes; i-- > 0;)
        number = number << 8 | from[i];
    return push_number(machine, (int64_t)number);
}

static bool push_long(struct machine *machine, size_t width) {
    uint64_t bytes;
    return take_count(machine, width, &bytes) && push_integer(machine, bytes);
}

/* A number of 1 or 2 bytes, without a sign. */
static bool push_small(struct machine *machine, size_t bytes) {
    uint64_t number;
    return take_count(machine, bytes, &number) && push_number(machine, (int64_t)number);
}

static struct tleg_pickle_value *make_text(struct machine *machine, const unsigned char *from, size_t length, uint32_t *index) {
    struct tleg_pickle_value *value = make(machine, TLEG_PICKLE_TEXT, index);
    if (value) {
        value->as.text.at = (uint32_t)(from - machine->text);
        value->as.text.length = (uint32_t)length;
    }
    return value;
}

/* Bytes after their length, which has `width` bytes. */
static bool push_bytes(struct machine *machine, size_t width, enum tleg_pickle_kind kind) {
    uint64_t length;
    const unsigned char *from;
    uint32_t index;
    if (!take_count(machine, width, &length))
        return false;
    if (length > machine->length - machine->at)
        return fail(machine, "ends in the middle");
    if (!take(machine, (size_t)length, &from))
        return false;
    if (kind != TLEG_PICKLE_TEXT)
        return push_other(machine);
    return make_text(machine, from, (size_t)length, &index) && push_index(machine, &machine->stack, index);
}

static bool skip(struct machine *machine, size_t bytes) {
    const unsigned char *from;
    return take(machine, bytes, &from);
}

/* ---- names of classes and functions ---- */

static bool push_name(struct machine *machine, uint32_t module, uint32_t name) {
    uint32_t index;
    if (value_at(machine, module)->kind != TLEG_PICKLE_TEXT || value_at(machine, name)->kind != TLEG_PICKLE_TEXT)
        return fail(machine, "names a class by what is not a text");
    struct tleg_pickle_value *value = make(machine, TLEG_PICKLE_NAME, &index);
    if (!value)
        return false;
    value->as.name.module = module;
    value->as.name.name = name;
    return push_index(machine, &machine->stack, index);
}

/* A text up to the end of its line. */
static bool take_line(struct machine *machine, uint32_t *index) {
    const unsigned char *from = machine->text + machine->at, *end;
    end = memchr(from, '\n', machine->length - machine->at);
    if (!end)
        return fail(machine, "ends in the middle");
    machine->at += (size_t)(end - from) + 1;
    return make_text(machine, from, (size_t)(end - from), index) != NULL;
}

static bool push_global(struct machine *machine) {
    uint32_t module, name;
    return take_line(machine, &module) && take_line(machine, &name) && push_name(machine, module, name);
}

static bool push_stacked_name(struct machine *machine) {
    uint32_t module, name;
    return pop(machine, &name) && pop(machine, &module) && push_name(machine, module, name);
}

/* ---- the memo ---- */

/* Pickles number what they keep one after the other, so that no number is larger than the place where it stands. */
static bool keep(struct machine *machine, uint64_t number) {
    uint32_t value;
    if (!top(machine, &value))
        return false;
    if (number > machine->at)
        return fail(machine, "keeps a value under a number that no pickle of its length needs");
    while (machine->memo.count <= number)
        if (!push_index(machine, &machine->memo, UINT32_MAX))
            return false;
    ((uint32_t *)machine->memo.items)[number] = value;
    return true;
}

static bool keep_as(struct machine *machine, size_t width) {
    uint64_t number;
    return take_count(machine, width, &number) && keep(machine, number);
}

static bool push_kept(struct machine *machine, size_t width) {
    uint64_t number;
    if (!take_count(machine, width, &number))
        return false;
    if (number >= machine->memo.count || ((const uint32_t *)machine->memo.items)[number] == UINT32_MAX)
        return fail(machine, "takes what it has not kept");
    return push_index(machine, &machine->stack, ((const uint32_t *)machine->memo.items)[number]);
}

static bool push_again(struct machine *machine) {
    uint32_t value;
    return top(machine, &value) && push_index(machine, &machine->stack, value);
}

static bool mark(struct machine *machine) {
    return push_index(machine, &machine->marks, (uint32_t)machine->stack.count);
}

/* POP takes a mark where that is what lies on top. */
static bool pop_any(struct machine *machine) {
    uint32_t value;
    if (machine->marks.count > 0 && machine->stack.count == floor_of(machine)) {
        machine->marks.count--;
        return true;
    }
    return pop(machine, &value);
}

static bool pop_to_mark(struct machine *machine) {
    const uint32_t *values;
    size_t count;
    return pop_mark(machine, &values, &count);
}

static bool check_protocol(struct machine *machine) {
    uint64_t protocol;
    if (!take_count(machine, 1, &protocol))
        return false;
    return (protocol >= 2 && protocol <= 5) || fail(machine, "is of a protocol other than 2 to 5");
}

/* ---- one operation ---- */

static bool run_value(struct machine *machine, unsigned char code) {
    switch (code) {
    case 'N':  /* NONE */
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        return push_other(machine);
    case 'G': /* BINFLOAT */
        return skip(machine, 8) && push_other(machine);
    case 'J': /* BININT */
        return push_integer(machine, 4);
    case 'K': /* BININT1 */
        return push_small(machine, 1);
    case 'M': /* BININT2 */
        return push_small(machine, 2);
    case 0x8a: /* LONG1 */
        return push_long(machine, 1);
    case 0x8b: /* LONG4 */
        return push_long(machine, 4);
    case 'X': /* BINUNICODE */
        return push_bytes(machine, 4, TLEG_PICKLE_TEXT);
    case 0x8c: /* SHORT_BINUNICODE */
        return push_bytes(machine, 1, TLEG_PICKLE_TEXT);
    case 0x8d: /* BINUNICODE8 */
        return push_bytes(machine, 8, TLEG_PICKLE_TEXT);
    case 'U': /* SHORT_BINSTRING */
        return push_bytes(machine, 1, TLEG_PICKLE_TEXT);
    case 'T': /* BINSTRING */
        return push_bytes(machine, 4, TLEG_PICKLE_TEXT);
    case 'C': /* SHORT_BINBYTES */
        return push_bytes(machine, 1, TLEG_PICKLE_OTHER);
    case 'B': /* BINBYTES */
        return push_bytes(machine, 4, TLEG_PICKLE_OTHER);
    case 0x8e: /* BINBYTES8 */
    case 0x96: /* BYTEARRAY8 */
        return push_bytes(machine, 8, TLEG_PICKLE_OTHER);
    default:
        return fail(machine, "has an operation that pickles of protocols 2 to 5 do not need");
    }
}

static bool run_container(struct machine *machine, unsigned char code) {
    switch (code) {
    case ')': /* EMPTY_TUPLE */
        return push_index(machine, &machine->stack, EMPTY);
    case 0x85: /* TUPLE1 */
    case 0x86:
    case 0x87:
        return push_tuple(machine, code - 0x84);
    case 't':  /* TUPLE */
    case 0x91: /* FROZENSET */
        return push_marked(machine, TLEG_PICKLE_TUPLE);
    case ']':  /* EMPTY_LIST */
    case 0x8f: /* EMPTY_SET */
        return push_new(machine, TLEG_PICKLE_LIST);
    case 'l': /* LIST */
        return push_marked(machine, TLEG_PICKLE_LIST);
    case 'a': /* APPEND */
        return add_one(machine, false);
    case 'e':  /* APPENDS */
    case 0x90: /* ADDITEMS */
        return add_marked(machine, false);
    case '}': /* EMPTY_DICT */
        return push_new(machine, TLEG_PICKLE_DICT);
    case 'd': /* DICT */
        return push_marked(machine, TLEG_PICKLE_DICT);
    case 's': /* SETITEM */
        return add_one(machine, true);
    case 'u': /* SETITEMS */
        return add_marked(machine, true);
    default:
        return run_value(machine, code);
    }
}

static bool run(struct machine *machine, unsigned char code) {
    switch (code) {
    case 0x80: /* PROTO */
        return check_protocol(machine);
    case 0x95: /* FRAME */
        return skip(machine, 8);
    case '(': /* MARK */
        return mark(machine);
    case '0': /* POP */
        return pop_any(machine);
    case '1': /* POP_MARK */
        return pop_to_mark(machine);
    case '2': /* DUP */
        return push_again(machine);
    case 'q': /* BINPUT */
        return keep_as(machine, 1);
    case 'r': /* LONG_BINPUT */
        return keep_as(machine, 4);
    case 0x94: /* MEMOIZE */
        return keep(machine, machine->memo.count);
    case 'h': /* BINGET */
        return push_kept(machine, 1);
    case 'j': /* LONG_BINGET */
        return push_kept(machine, 4);
    case 'c': /* GLOBAL */
        return push_global(machine);
    case 0x93: /* STACK_GLOBAL */
        return push_stacked_name(machine);
    case 'R':  /* REDUCE */
    case 0x81: /* NEWOBJ */
        return call(machine, false);
    case 0x92: /* NEWOBJ_EX */
        return call(machine, true);
    case 'o': /* OBJ */
        return call_marked(machine);
    case 'b': /* BUILD */
        return build(machine);
    case 'Q': /* BINPERSID */
        return refer(machine);
    default:
        return run_container(machine, code);
    }
}

/* ---- the whole ---- */

/* The values that are there once, and an item 0 that no container has. */
static bool begin(struct machine *machine) {
    uint32_t index;
    struct tleg_pickle_item *none = tleg_array_add(&machine->pickle->allocator, &machine->pickle->items, sizeof *none);
    if (none)
        *none = (struct tleg_pickle_item){0};
    return none && make(machine, TLEG_PICKLE_OTHER, &index) && make(machine, TLEG_PICKLE_TUPLE, &index);
}

static bool run_all(struct machine *machine) {
    bool good = begin(machine);
    while (good) {
        const unsigned char *code;
        good = take(machine, 1, &code);
        if (good && *code == '.') /* STOP */
            return top(machine, &machine->pickle->root);
        good = good && run(machine, *code);
    }
    return false;
}

tleg_status tleg_pickle_read(tleg_context *context, const char *label, const struct tleg_allocator *allocator,
                             const unsigned char *text, size_t length, struct tleg_pickle *pickle) {
    *pickle = (struct tleg_pickle){.allocator = *allocator, .text = (const char *)text};
    struct machine machine = {.pickle = pickle, .text = text, .length = length};
    tleg_status status = TLEG_OK;
    if (!run_all(&machine))
        status = machine.fault ? tleg_fail(context, TLEG_ERROR_FORMAT, "%s: its pickle %s, at byte %zu of %zu", label,
                                           machine.fault, machine.at, length)
                               : tleg_fail_memory(context, label, length);
    tleg_array_free(allocator, &machine.stack, sizeof(uint32_t));
    tleg_array_free(allocator, &machine.marks, sizeof(uint32_t));
    tleg_array_free(allocator, &machine.memo, sizeof(uint32_t));
    if (status != TLEG_OK)
        tleg_pickle_free(pickle);
    return status;
}

void tleg_pickle_free(struct tleg_pickle *pickle) {
    tleg_array_free(&pickle->allocator, &pickle->values, sizeof(struct tleg_pickle_value));
    tleg_array_free(&pickle->allocator, &pickle->items, sizeof(struct tleg_pickle_item));
}

/* ---- reading it ---- */

const struct tleg_pickle_value *tleg_pickle_get(const struct tleg_pickle *pickle, uint32_t value) {
    return (const struct tleg_pickle_value *)pickle->values.items + value;
}

const struct tleg_pickle_item *tleg_pickle_get_item(const struct tleg_pickle *pickle, uint32_t item) {
    return (const struct tleg_pickle_item *)pickle->items.items + item;
}

uint32_t tleg_pickle_element(const struct tleg_pickle *pickle, uint32_t value, size_t index) {
    uint32_t item = tleg_pickle_get(pickle, value)->first;
    for (; item && index > 0; index--)
        item = tleg_pickle_get_item(pickle, item)->next;
    return item ? tleg_pickle_get_item(pickle, item)->value : 0;
}

bool tleg_pickle_is_text(const struct tleg_pickle *pickle, uint32_t value, const char *text) {
    const struct tleg_pickle_value *v = tleg_pickle_get(pickle, value);
    const size_t length = strlen(text);
    return v->kind == TLEG_PICKLE_TEXT && v->as.text.length == length &&
           memcmp(pickle->text + v->as.text.at, text, length) == 0;
}
