/* Charts as pixels, for people and programs without a browser. */
#ifndef DI4C_EXPERIMENTS_REPORT_CHART_PNG_H
#define DI4C_EXPERIMENTS_REPORT_CHART_PNG_H

#include "experiments/report/chart.h"
#include "nn/formats/packed/png.h"

/* An RGB picture of the chart with its title and legend, 1080 pixels wide; picture_free frees. */
Picture chart_picture(const Chart *chart);

#endif
