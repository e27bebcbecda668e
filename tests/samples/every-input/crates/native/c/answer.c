#include "answer.h"

#ifdef LOUD
#define FACTOR 100
#else
#define FACTOR 1
#endif

int every_input_answer(void) { return (40 + ADDEND) * FACTOR; }
