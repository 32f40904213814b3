# Three devices: a third, two thirds and all of the memory and the time that a model of the deepest depth takes here. Both grow
# with each layer, so these shares tell depths apart on any machine.      tleg plan GENE --json | awk -v deepest=12 -f json.awk -f budgets.awk
# Prints name, bytes for --bytes, milliseconds for --ms.
function up(number) {
    return int(number) + (number > int(number))
}

{
    json($0)
    bytes = JSON["cost.bytes_fixed"] + deepest * JSON["cost.bytes_per_layer"]
    ms = JSON["cost.ms_fixed"] + deepest * JSON["cost.ms_per_layer"]
    count = split("small middle large", name, " ")
    for (i = 1; i <= count; i++)
        printf "%s\t%dK\t%.3f\n", name[i], up(bytes * i / count / 1024), up(ms * i / count * 1000) / 1000
}
