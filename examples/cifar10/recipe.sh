# What learn.sh and tensors.sh have in common. Not run, but read by them.
# shellcheck shell=sh disable=SC2034,SC2154
mean=0.4914,0.4822,0.4465 std=0.2470,0.2435,0.2616
pictures="--data $data/train --val-every 10 --batch 128 --augment light"
input="--image 32 --patch 4 --classes 10 --mean $mean --std $std"
eight="--dim 128 --heads 4 --hidden 256 --count 8 --curve chebyshev"
steps="--recipe deit --drop-path 0 --optimiser muon --lr-absolute --weight-decay 0.05 --clip 1 --smoothing 0 --dtype bf16 --tau 2"
alone="--alpha 1 --teacher-mean images --ema 0.998" # the teacher alone, at full weight
