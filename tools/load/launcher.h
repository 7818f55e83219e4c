// Whether this process is one of several that a launcher of parallel programs started.
#pragma once

namespace eddy::load {

// By the environment: OMPI_COMM_WORLD_RANK (Open MPI's mpirun), PMIX_RANK (srun --mpi=pmix, and
// other launchers that speak PMIx), PMI_RANK (srun --mpi=pmi2, MPICH's mpiexec). Slurm's own
// variables do not tell: a batch script and plain srun set them, too.
bool was_launched_as_rank();

// What the launcher tells, before anybody has asked MPI; 0 of 1 if it does not.
int launched_rank();
int launched_ranks();

}  // namespace eddy::load
