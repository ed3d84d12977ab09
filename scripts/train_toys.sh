#!/usr/bin/env bash
# Trains the small networks of weights/toy: four exact targets, each on levels linear in sigma, on EDM's levels
# (rho = 7), and on levels learned meanwhile from the linear ones (arXiv 2412.07877, algorithm 2). About ten
# minutes on one core.
#
#   scripts/train_toys.sh [FOLDER]        default: weights/toy
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
folder=${1:-$root/weights/toy}
program=$root/build/apps/schedbench
[[ -x $program ]] || { printf 'train_toys: error: no %s; run scripts/build.sh first\n' "$program" >&2; exit 2; }
mkdir -p -- "$folder"

declare -A targets=(
    [gaussian]='exact:gaussian,c=0.5'
    [bimodal]='exact:mixture,means=[-1,1],widths=[0.1]'
    [cantor]='exact:cantor,depth=3,width=0.01'
    [ring]='exact:mixture,dim=2,means=[2,0,1.41421356237,1.41421356237,0,2,-1.41421356237,1.41421356237,-2,0,-1.41421356237,-1.41421356237,0,-2,1.41421356237,-1.41421356237],widths=[0.15]'
)
declare -A schedules=(
    [linear]='fixed:levels=64,start={edm:rho=1}'
    [rho7]='fixed:levels=64,start={edm}'
    [adaptive]='adaptive:levels=64,start={edm:rho=1},burn-in=2000,gamma=0.05,weight=geometric'
)
for target in gaussian bimodal cantor ring; do
    for schedule in linear rho7 adaptive; do
        output=$folder/$target-$schedule.safetensors
        [[ ! -e $output ]] || continue
        "$program" train --architecture mlp --channels 96 --res-blocks 3 --data "${targets[$target]}" \
            --objective edm --schedule "${schedules[$schedule]}" --steps 10000 --batch 256 --checkpoint-every 5000 \
            --threads 1 --output "$output"
        rm -f -- "$output.state"
    done
done
