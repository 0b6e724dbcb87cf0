// SPDX-License-Identifier: Apache-2.0
// A small C interface to oneDNN: one-thread primitives over memory the caller owns, the same for oneDNN 2.6 and 3.x.
//
// A primitive is made for fixed shapes and for one thread, whichever: it uses no thread but the caller's, and needs
// scratch memory of the size it names. The shim allocates nothing when it executes; the library itself makes five to
// ten small allocations a call for its argument table. One primitive must not be executed, nor used for packing, by two
// threads at once; different primitives may, also over the same inputs, which are never written to. To the calling
// thread OpenMP is limited for good to one thread; a library built on TBB instead cannot be limited so. A make-function
// that has no implementation for a shape returns NULL; using a primitive against these rules ends the program.
// Without the definition CONSILIUM_ONEDNN (package trait OneDNN) every make-function returns NULL.

#ifndef CONSILIUM_ONEDNN_SHIM_H
#define CONSILIUM_ONEDNN_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct consilium_dnn_primitive consilium_dnn_primitive;

/// Element types of activations and operands.
enum consilium_dnn_type { CONSILIUM_DNN_FLOAT32 = 0, CONSILIUM_DNN_BFLOAT16 = 1 };

/// How the activations of an image-like tensor [n, channels, spatial…] lie in memory.
enum consilium_dnn_layout {
    /// Row-major [n, channels, spatial…].
    CONSILIUM_DNN_PLAIN = 0,
    /// Channels in blocks of 16: [n, ⌈channels/16⌉, spatial…, 16], the last block padded with zeros: expected in
    /// what a primitive reads, provided in what it writes.
    CONSILIUM_DNN_BLOCKED = 1,
};

/// Functions a product or a convolution applies to its result before storing it.
enum consilium_dnn_activation { CONSILIUM_DNN_LINEAR = 0, CONSILIUM_DNN_RELU = 1 };

/// Whether the library was compiled in, and its version (major·10000 + minor·100 + patch; 0 without it).
bool consilium_dnn_is_built(void);
int consilium_dnn_version(void);
/// Whether this processor multiplies bfloat16 in hardware (AVX512_BF16 or better).
bool consilium_dnn_has_bfloat16(void);

/// c[b] = activation(a[b]·w[b] + bias) (+ c[b] before the activation when `accumulate`), for b < batch.
/// a is [m, k], w is [k, n], c is [m, n]; element (i, j) of matrix b at b·batch_stride + i·row_stride + j·column_stride,
/// in elements; one of a's and of w's two strides is 1, c's column stride is 1. A batch stride of 0 shares a or w.
struct consilium_dnn_matmul {
    int64_t batch, m, k, n;
    int64_t a_batch, a_row, a_column;
    int64_t w_batch, w_row, w_column;
    int64_t c_batch, c_row;
    int a_type, w_type, c_type;
    bool has_bias;   // float32 [n]
    bool accumulate;
    int activation;
    /// w is first packed by consilium_dnn_pack into memory of consilium_dnn_packed_bytes, once per change of w.
    bool packs_w;
};
/// Buffers of execute: a, w (packed if so), bias (NULL without), c.
consilium_dnn_primitive *consilium_dnn_make_matmul(const struct consilium_dnn_matmul *shape);

/// A convolution of 1 to 3 spatial dimensions. Weights are float32 row-major [groups, out/groups, in/groups, kernel…]
/// at the edge (packed by consilium_dnn_pack for use, unpacked from a weight gradient by consilium_dnn_unpack).
struct consilium_dnn_convolution {
    int rank;
    int64_t n, groups, in_channels, out_channels;
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad_before[3], pad_after[3];  // dilation 1: dense
    int source_layout, target_layout;
    int type;         // of x, dy and the packed weights where they are read
    int result_type;  // of y and dx where they are written
    bool has_bias;    // float32 [out_channels]
    int activation;   // forward only
    bool winograd;    // where the library has it for this shape, else make fails
};
/// Buffers of execute: x, packed weights, bias (NULL without), y.
consilium_dnn_primitive *consilium_dnn_make_convolution_forward(const struct consilium_dnn_convolution *shape);
/// Buffers: dy, packed weights, dx.
consilium_dnn_primitive *consilium_dnn_make_convolution_backward_data(const struct consilium_dnn_convolution *shape);
/// Buffers: x, dy, packed weight gradient (overwritten), bias gradient float32 (overwritten; NULL without).
consilium_dnn_primitive *consilium_dnn_make_convolution_backward_weights(const struct consilium_dnn_convolution *shape);

/// Max or average pooling; padding counts for the average only when `counts_padding`.
struct consilium_dnn_pooling {
    int rank;
    int64_t n, channels;
    int64_t in[3], out[3], kernel[3], stride[3], pad_before[3], pad_after[3];
    int layout, type;
    bool is_maximum, counts_padding;
    /// Max pooling only: whether a workspace for the backward pass is written.
    bool is_training;
};
/// Buffers: x, y, workspace (NULL without).
consilium_dnn_primitive *consilium_dnn_make_pooling_forward(const struct consilium_dnn_pooling *shape);
/// Buffers: dy, dx (overwritten), workspace (NULL without).
consilium_dnn_primitive *consilium_dnn_make_pooling_backward(const struct consilium_dnn_pooling *shape);
/// Bytes of the workspace of a max pooling in training, 0 else.
size_t consilium_dnn_workspace_bytes(const consilium_dnn_primitive *primitive);

/// Copies activations [n, channels, spatial…] from one layout and type to another. Buffers: source, target.
consilium_dnn_primitive *consilium_dnn_make_reorder(int64_t n, int64_t channels, int64_t positions, int source_layout,
                                                    int source_type, int target_layout, int target_type);

/// Bytes of the packed weights (or packed weight gradient) of a convolution or a packing product.
size_t consilium_dnn_packed_bytes(const consilium_dnn_primitive *primitive);
/// Plain float32 weights (of a product: with the strides of w) → packed weights of the primitive. Not for a weight
/// gradient.
void consilium_dnn_pack(consilium_dnn_primitive *primitive, const float *plain, void *packed);
/// Packed weight gradient of the primitive → plain float32. The packed one is float32, too, whatever the type of the
/// activations, so that packed gradients of like primitives can be summed element by element before.
void consilium_dnn_unpack(consilium_dnn_primitive *primitive, const void *packed, float *plain);
/// Whether packed weights of the two primitives are the same bytes, so that one packing serves both.
bool consilium_dnn_packs_alike(const consilium_dnn_primitive *a, const consilium_dnn_primitive *b);

/// Scratch memory, in bytes, that every execution needs, 64-byte aligned; with 0, NULL will do.
size_t consilium_dnn_scratch_bytes(const consilium_dnn_primitive *primitive);
/// The library's name of the implementation it chose, such as "jit:avx512_core"; valid while the primitive is.
const char *consilium_dnn_implementation(const consilium_dnn_primitive *primitive);
/// Runs the primitive on the calling thread. `buffers` in the order that the make-function names.
void consilium_dnn_execute(consilium_dnn_primitive *primitive, void *const *buffers, void *scratch);
void consilium_dnn_destroy(consilium_dnn_primitive *primitive);

#endif
