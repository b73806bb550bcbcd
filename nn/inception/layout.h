/* The layers of the Inception network whose features the FID is measured in, as a table.
 *
 * It is the network of Szegedy et al. (arXiv 1512.00567) as TensorFlow published it on 2015-12-05,
 * under the names that pytorch-fid gave its tensors.  It departs from torchvision's: average
 * pooling leaves the padding out, the last block pools by maxima, there are 1,008 outputs. */
#ifndef DI4C_NN_INCEPTION_LAYOUT_H
#define DI4C_NN_INCEPTION_LAYOUT_H

#include <stddef.h>

#include "tensor/conv/kernel.h"
#include "tensor/window.h"

enum {
    INCEPTION_SIDE = 299, /* of the pictures it looks at, in three channels */
    INCEPTION_FEATURES = 2048,
    INCEPTION_CLASSES = 1008,
    INCEPTION_CONVS = 94,
    INCEPTION_LAYERS = 110,
    INCEPTION_NAME = 32
};

typedef enum InceptionKind { INCEPTION_CONV, INCEPTION_MAX, INCEPTION_MEAN } InceptionKind;

/* Where pictures are: a block reads one of the first two buffers and writes the other, and has two
 * for what is between. */
enum { INCEPTION_BUFFERS = 4 };

typedef struct InceptionLayer {
    InceptionKind kind;
    char name[INCEPTION_NAME]; /* of a convolution: "Mixed_5b.branch1x1" */
    KernelShape kernel;        /* of a convolution */
    WindowShape window;        /* of pooling, for one picture */
    size_t height, width;      /* of what it reads */
    int from, to;              /* buffers */
    size_t first, stride;      /* of its channels in `to`, and the numbers of a pixel there */
} InceptionLayer;

typedef struct InceptionLayout {
    InceptionLayer layers[INCEPTION_LAYERS];
    size_t count;
    size_t room[INCEPTION_BUFFERS]; /* numbers of a picture that each buffer must hold */
    int last;                       /* the buffer of the last block's output */
    size_t positions;               /* its height times width */
} InceptionLayout;

/* Fills in all layers in their order; the input, 299x299x3, is in buffer 0. */
void inception_layout(InceptionLayout *layout);

#endif
