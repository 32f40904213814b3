/* All of libtleg's stable headers. Left out are <tleg/dlpack.h>, which only hosts need that have no DLPack of their own, and
 * the experimental <tleg/train.h>, <tleg/augment.h>, <tleg/linearize.h>, <tleg/onnx.h> and <tleg/generate.h>, which a host
 * includes by name. */
#ifndef TLEG_TLEG_H
#define TLEG_TLEG_H

#include <tleg/block.h>
#include <tleg/config.h>
#include <tleg/core.h>
#include <tleg/expander.h>
#include <tleg/file.h>
#include <tleg/image.h>
#include <tleg/learngene.h>
#include <tleg/model.h>
#include <tleg/ops.h>
#include <tleg/session.h>
#include <tleg/tensor.h>

#endif
