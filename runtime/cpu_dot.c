/* Matrix products on the CPU: a DotCall as calls of sgemm.
 *
 * Every matrix has a unit stride among its two, so each is row-major or the
 * transpose of one.  Where the result is column-major, C^T = B^T A^T is
 * computed instead.
 */
#include "runtime/cpu_library.h"
#include "support/checked.h"

#include <assert.h>

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

/* How sgemm is told about a rows x columns matrix. */
typedef struct Layout {
    int transpose;
    int leading; /* distance of rows (columns when transposed) */
} Layout;

static Layout layout_of(int64_t rows, int64_t columns, int64_t row_stride,
                        int64_t column_stride)
{
    if (column_stride == 1 || columns == 1) {
        int64_t leading = rows == 1 ? columns : row_stride;
        return (Layout){NO_TRANSPOSE, (int)max_i64(leading, columns)};
    }
    assert(row_stride == 1 || rows == 1);
    return (Layout){TRANSPOSE, (int)max_i64(column_stride, rows)};
}

static void product(const Blas *blas, const DotCall *d, const float *a,
                    const float *b, float *c)
{
    Layout la = layout_of(d->m, d->k, d->a_row, d->a_column);
    Layout lb = layout_of(d->k, d->n, d->b_row, d->b_column);
    Layout lc = layout_of(d->m, d->n, d->c_row, d->c_column);
    int m = (int)d->m, n = (int)d->n, k = (int)d->k;
    if (lc.transpose == NO_TRANSPOSE) {
        blas->sgemm(ROW_MAJOR, la.transpose, lb.transpose, m, n, k, 1.0f, a,
                    la.leading, b, lb.leading, 0.0f, c, lc.leading);
    } else {
        int flip = NO_TRANSPOSE + TRANSPOSE;
        blas->sgemm(ROW_MAJOR, flip - lb.transpose, flip - la.transpose, n, m,
                    k, 1.0f, b, lb.leading, a, la.leading, 0.0f, c, lc.leading);
    }
}

void cpu_dot(const Blas *blas, const DotCall *d, const float *a, const float *b,
             float *c)
{
    int64_t index[DOT_BATCH_MAX] = {0};
    for (;;) {
        int64_t at_a = 0, at_b = 0, at_c = 0;
        for (int32_t i = 0; i < d->n_batch; i++) {
            at_a += index[i] * d->a_batch[i];
            at_b += index[i] * d->b_batch[i];
            at_c += index[i] * d->c_batch[i];
        }
        product(blas, d, a + at_a, b + at_b, c + at_c);
        int32_t i = d->n_batch - 1;
        while (i >= 0 && ++index[i] == d->batch[i])
            index[i--] = 0;
        if (i < 0)
            return;
    }
}
