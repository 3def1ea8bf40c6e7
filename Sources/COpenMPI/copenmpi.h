// Carries pkg-config's compile and link flags for Open MPI to CMPIShim. It includes nothing:
// <mpi.h> is seen by CMPIShim's C source alone, and only where it is installed.
