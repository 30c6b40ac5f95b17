"""Rules over plain values: who may join, what a kWh costs, what a car is told, what a program would come to."""
